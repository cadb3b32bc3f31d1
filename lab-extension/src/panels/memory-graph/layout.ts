/** Where nodes stand, in the unit square. The same graph always gets the same picture, and a replay moves nothing: what is
 *  not there yet has its place already. */
import type { LinkKind, NodeKind } from 'kvlab/frame';

export interface Layout {
  x: Float64Array;
  y: Float64Array;
}

/** Rounds of the spring model; more change nothing that is seen. */
const rounds = 220;

/** What is placed: plain data, so that it can go to a worker. */
export interface GraphToPlace {
  /** Nodes of the run, placed or not: the length of the axes. */
  size: number;
  nodes: readonly { node: number; kind: NodeKind }[];
  links: readonly { source: number; target: number; kind: LinkKind }[];
  tree: boolean;
}

/** Lays a graph out. Yields the share that is done. */
export function* layoutOf(graph: GraphToPlace): Generator<number, Layout> {
  const layout = { x: new Float64Array(graph.size).fill(0.5), y: new Float64Array(graph.size).fill(0.5) };
  if (graph.tree) placeTree(graph, layout);
  else yield* spring(graph, layout);
  return layout;
}

/** Leaves side by side in the order of the text, every node above the middle of its own. */
function placeTree({ nodes, links }: GraphToPlace, { x, y }: Layout): void {
  const parent = new Map(links.map(({ source, target }) => [source, target]));
  const children = new Map<number, number[]>();
  for (const { node } of nodes) {
    const above = parent.get(node);
    if (above !== undefined) children.set(above, [...(children.get(above) ?? []), node]);
  }
  const place = new Map<number, number>();
  const depth = new Map<number, number>();
  let leaves = 0;
  const walk = (node: number, level: number): number => {
    depth.set(node, level);
    const below = children.get(node) ?? [];
    const at = below.length
      ? below.map((child) => walk(child, level + 1)).reduce((a, b) => a + b, 0) / below.length
      : leaves++;
    place.set(node, at);
    return at;
  };
  for (const { node } of nodes) if (!parent.has(node)) walk(node, 0);
  const deepest = Math.max(1, ...depth.values());
  for (const { node } of nodes) {
    x[node] = ((place.get(node) ?? 0) + 0.5) / Math.max(1, leaves);
    y[node] = (depth.get(node) ?? 0) / deepest;
  }
}

/** Springs along links, repulsion between all (Fruchterman and Reingold 1991), from a spiral that depends on nothing. */
function* spring({ nodes, links }: GraphToPlace, { x, y }: Layout): Generator<number, void> {
  nodes.forEach(({ node, kind }, i) => {
    const angle = i * 2.399963;
    const radius = (kind === 'hub' ? 0.2 : 0.42) * Math.sqrt((i + 1) / nodes.length);
    x[node] = 0.5 + radius * Math.cos(angle);
    y[node] = 0.5 + radius * Math.sin(angle);
  });
  const ideal = 0.9 / Math.sqrt(Math.max(4, nodes.length));
  const [dx, dy] = [new Float64Array(x.length), new Float64Array(x.length)];
  for (let round = 0; round < rounds; round++) {
    dx.fill(0);
    dy.fill(0);
    for (let i = 0; i < nodes.length; i++)
      for (let j = i + 1; j < nodes.length; j++) {
        const [a, b] = [nodes[i]!.node, nodes[j]!.node];
        const [vx, vy] = [x[a]! - x[b]!, y[a]! - y[b]!];
        const square = Math.max(1e-6, vx * vx + vy * vy);
        const push = (ideal * ideal) / square;
        dx[a]! += vx * push;
        dy[a]! += vy * push;
        dx[b]! -= vx * push;
        dy[b]! -= vy * push;
      }
    // A weak pull to the middle, so that what is linked to nothing stays near.
    for (const { node } of nodes) {
      dx[node]! -= 2 * (x[node]! - 0.5);
      dy[node]! -= 2 * (y[node]! - 0.5);
    }
    for (const { source, target, kind } of links) {
      const [vx, vy] = [x[source]! - x[target]!, y[source]! - y[target]!];
      const pull = (Math.hypot(vx, vy) / ideal) * (kind === 'about' || kind === 'part' ? 1 : 0.25);
      dx[source]! -= vx * pull;
      dy[source]! -= vy * pull;
      dx[target]! += vx * pull;
      dy[target]! += vy * pull;
    }
    const heat = 0.08 * (1 - round / rounds);
    for (const { node } of nodes) {
      const length = Math.hypot(dx[node]!, dy[node]!) || 1;
      const step = Math.min(length, heat) / length;
      x[node]! += dx[node]! * step;
      y[node]! += dy[node]! * step;
    }
    yield (round + 1) / rounds;
  }
  stretch(x, nodes);
  stretch(y, nodes);
}

/** Lets the nodes fill their axis from end to end. */
function stretch(axis: Float64Array, nodes: readonly { node: number }[]): void {
  const values = nodes.map(({ node }) => axis[node]!);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  for (const { node } of nodes) axis[node] = high > low ? (axis[node]! - low) / (high - low) : 0.5;
}
