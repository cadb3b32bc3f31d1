/** A memory graph as data: nodes and links that exist at a step, what the newest query reached, and what is folded away. */
import { type GraphColumn, graphOperations, type LinkKind, linkKinds, type NodeKind, nodeKinds } from 'kvlab/frame';
import { tokenWord } from '../../draw/words.ts';
import type { Run } from '../../store/run.ts';

/** Nodes that are drawn one by one; of more, those that stand out. */
export const mostNodes = 300;
/** Labels that are drawn where there are many nodes. */
export const mostLabels = 30;

export interface GraphNode {
  /** Row of the columns. */
  node: number;
  kind: NodeKind;
  label: string;
  step: number;
  /** Step in which it was merged or forgotten; undefined while it is there. */
  goneAt: number | undefined;
  /** Positions of its tokens; equal where it has none. */
  from: number;
  to: number;
  activation: number;
  reads: number;
}
export interface GraphLink {
  source: number;
  target: number;
  kind: LinkKind;
  weight: number;
}
export interface GraphDrawing {
  nodes: GraphNode[];
  links: GraphLink[];
  /** Nodes in the order of the query's hops. */
  path: number[];
  /** Nodes that exist and are not drawn. */
  folded: number;
  /** True for segments of a text that lie in each other. */
  tree: boolean;
  /** Nodes that are gone at the step, of those drawn and folded. */
  gone: number;
  all: number;
}

const columnOf = (run: Run, name: GraphColumn) => run.log.get(name);

/** True for a run whose memory has a structure of its own. */
export function hasGraph(run: Run): boolean {
  return (columnOf(run, 'node.kind')?.rows ?? 0) > 0;
}

/** The graph at a step, with at most so many nodes: of more, those that stand out. */
export function encodeGraph(run: Run, step: number, most = mostNodes): GraphDrawing {
  const all = nodesAt(run, step);
  const there = new Set(all.map(({ node }) => node));
  const path = Array.from(run.latest.get('path.node')?.data ?? []).filter((node) => there.has(node));
  const links = linksAt(run, step);
  const onPath = new Set(path);
  const rank = (own: GraphNode) =>
    (onPath.has(own.node) ? 2 : 0) + (own.kind === 'hub' || own.kind === 'cluster' ? 1 : 0) + own.activation;
  const nodes = all.length <= most ? all : [...all].sort((a, b) => rank(b) - rank(a)).slice(0, most);
  const drawn = new Set(nodes.map(({ node }) => node));
  const kept = links.filter(({ source, target }) => drawn.has(source) && drawn.has(target));
  const tree = links.length > 0 && links.every(({ kind }) => kind === 'part');
  if (tree) nameLists(nodes, kept);
  return {
    nodes,
    links: kept,
    path,
    folded: all.length - nodes.length,
    tree,
    gone: all.filter(({ goneAt }) => goneAt !== undefined).length,
    all: all.length,
  };
}

function nodesAt(run: Run, step: number): GraphNode[] {
  const kind = columnOf(run, 'node.kind')!;
  const born = columnOf(run, 'node.step')!.data;
  const labels = labelsOf(columnOf(run, 'node.label'));
  const [from, to] = [run.latest.get('node.from')?.data, run.latest.get('node.to')?.data];
  const activation = run.latest.get('node.activation')?.data;
  const [at, operation, target] = [
    columnOf(run, 'graph.step'),
    columnOf(run, 'graph.operation')?.data,
    columnOf(run, 'graph.node')?.data,
  ];
  const goneAt = new Map<number, number>();
  const reads = new Map<number, number>();
  for (let row = 0; row < (at?.rows ?? 0); row++) {
    if (at!.data[row]! > step) continue;
    const [name, node] = [graphOperations[operation![row]!], target![row]!];
    if (name === 'forget' || name === 'merge') goneAt.set(node, at!.data[row]!);
    else if (name === 'read') reads.set(node, (reads.get(node) ?? 0) + 1);
  }
  const nodes: GraphNode[] = [];
  for (let node = 0; node < kind.rows; node++) {
    if (born[node]! > step) continue;
    const [first, last] = [from?.[node] ?? 0, to?.[node] ?? 0];
    nodes.push({
      node,
      kind: nodeKinds[kind.data[node]!] ?? 'note',
      label: labels[node] || tokensOf(run, first, last),
      step: born[node]!,
      goneAt: goneAt.get(node),
      from: first,
      to: last,
      activation: activation?.[node] ?? 0,
      reads: reads.get(node) ?? 0,
    });
  }
  return nodes;
}

function linksAt(run: Run, step: number): GraphLink[] {
  const source = columnOf(run, 'link.source');
  const read = (name: GraphColumn) => columnOf(run, name)!.data;
  const links: GraphLink[] = [];
  for (let row = 0; row < (source?.rows ?? 0); row++)
    if (read('link.step')[row]! <= step)
      links.push({
        source: source!.data[row]!,
        target: read('link.target')[row]!,
        kind: linkKinds[read('link.kind')[row]!] ?? 'like',
        weight: read('link.weight')[row]!,
      });
  return links;
}

/** Labels that lie one after the other, each closed by a zero byte. */
export function labelsOf(column: { data: ArrayLike<number>; rows: number } | undefined): string[] {
  if (!column) return [];
  const bytes = Uint8Array.from({ length: column.rows }, (_, i) => column.data[i]!);
  return new TextDecoder().decode(bytes).split('\0').slice(0, -1);
}

/** Most characters of a label that is made of a node's own words. */
const labelLength = 24;

/** The first words of a span of tokens; of a JSON-like text its first value, without marks and keys. */
function tokensOf(run: Run, from: number, to: number): string {
  const text = run.texts
    .slice(from, Math.min(to, from + 16))
    .map(({ text }) => tokenWord(text))
    .join('');
  const value = /"\w+" *: *"([^"]+)/.exec(text)?.[1] ?? text.replace(/"\w+" *:/g, ' ');
  const said = value
    .replace(/[[\]{}":,]+/g, ' ')
    .replace(/ +/g, ' ')
    .trim();
  const words = said || text.trim();
  if (words.length <= labelLength) return words;
  const whole = words.slice(0, labelLength).replace(/ [^ ]*$/, '');
  return `${whole.trimEnd()}…`;
}

/** A list of tasks is named by their number: its own words are those of the first. */
function nameLists(nodes: readonly GraphNode[], links: readonly GraphLink[]): void {
  const kinds = new Map(nodes.map(({ node, kind }) => [node, kind]));
  const inside = new Map<number, NodeKind[]>();
  for (const { source, target } of links)
    inside.set(target, [...(inside.get(target) ?? []), kinds.get(source) ?? 'note']);
  for (const own of nodes) {
    const parts = inside.get(own.node);
    if (own.kind === 'segment' && parts?.every((kind) => kind === 'segment'))
      own.label = parts.length === 1 ? '1 task' : `${parts.length} tasks`;
  }
}

/** Nodes whose labels are drawn: all of few, of many those on the path, hubs and the most active. */
export function labelled({ nodes, path }: GraphDrawing): Set<number> {
  if (nodes.length <= mostLabels) return new Set(nodes.map(({ node }) => node));
  const first = [...nodes].sort(
    (a, b) =>
      Number(path.includes(b.node)) - Number(path.includes(a.node)) ||
      b.activation - a.activation ||
      Number(b.kind === 'hub') - Number(a.kind === 'hub'),
  );
  return new Set(first.slice(0, mostLabels).map(({ node }) => node));
}

/** The innermost node that holds a position. */
export function nodeOf({ nodes }: GraphDrawing, position: number): GraphNode | undefined {
  return nodes
    .filter(({ from, to }) => from <= position && position < to)
    .sort((a, b) => a.to - a.from - (b.to - b.from))[0];
}
