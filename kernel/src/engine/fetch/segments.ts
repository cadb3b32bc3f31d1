/** The segments of the text that a cache has seen, as its pages need them. */
import type { Method } from '@kvlab/ops';

export interface Segments {
  from: Int32Array;
  to: Int32Array;
  /** 1 where its end has not been seen yet. */
  open: Uint8Array;
  /** Segment of each position; the innermost where they lie in each other. */
  of: Int32Array;
}

/** Cuts a text of so many tokens; `pieces` gives its text where the method reads it. */
export function segmentsOf({ declaration }: Method, tokens: number, pieces?: () => readonly string[]): Segments {
  const { segment } = declaration;
  const text = segment?.needs.some(({ of }) => of === 'text') && pieces ? pieces() : new Array<string>(tokens).fill('');
  const list = segment?.cut(text) ?? [];
  const of = new Int32Array(tokens).fill(-1);
  for (const [i, { from, to }] of list.entries()) of.fill(i, from, to);
  return {
    from: Int32Array.from(list, ({ from }) => from),
    to: Int32Array.from(list, ({ to }) => to),
    open: Uint8Array.from(list, ({ open }) => (open ? 1 : 0)),
    of,
  };
}
