/** Depth: how much a lab offers to press and choose. It hides controls and nothing else; keys work at every depth. */
import { type Depth, depths } from 'kvlab/frame';

/** Offers a control from a depth on; a control that says so already keeps its own. */
export function offerFrom(control: HTMLElement, depth: Depth): void {
  control.dataset.from ??= depth;
}

/** Sets the depth of everything inside a node. */
export function setDepth(node: HTMLElement, depth: Depth): void {
  node.dataset.depth = depth;
}

export function isDepth(value: unknown): value is Depth {
  return depths.includes(value as Depth);
}
