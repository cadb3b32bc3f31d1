/** The tree of tasks that a method cuts the text into, as a graph: which segments lie in which, and which have left. */
import type { Method } from '@kvlab/ops';
import type { Sequence } from '../run/sequence.ts';
import { type Columns, type GraphColumn, graphOperations, linkKinds, nodeKinds } from './frame.ts';

export interface GraphRecord {
  from: number[];
  to: number[];
  /** Nodes of which nothing is held any more. */
  gone: Set<number>;
}

/** True where what stays depends on the segments of the text. */
export const hasGraph = ({ when, declaration }: Method): boolean =>
  declaration.segment !== undefined && when.includes('segment end');

export function createGraphRecord(): GraphRecord {
  return { from: [], to: [], gone: new Set() };
}

type Log = (column: GraphColumn) => { push(value: number): void };

/** Notes segments that are new, grow or left in a step. Node 0 is the text as a whole, node i + 1 is segment i. */
export function recordGraph(record: GraphRecord, sequence: Sequence, log: Log): void {
  const segments = sequence.method.declaration.segment?.cut(sequence.pieces) ?? [];
  const step = Math.max(0, sequence.step);
  const born = record.from.length;
  record.from = [0, ...segments.map(({ from }) => from)];
  record.to = [sequence.ids.length, ...segments.map(({ to }) => to)];
  for (let node = born; node < record.from.length; node++) {
    const segment = segments[node - 1];
    log('node.kind').push(nodeKinds.indexOf(!segment ? 'hub' : segment.conclusion ? 'note' : 'segment'));
    log('node.step').push(step);
    // No label of its own: panels write its tokens.
    log('node.label').push(0);
    if (!segment) continue;
    log('link.source').push(node);
    log('link.target').push(segment.within + 1);
    log('link.kind').push(linkKinds.indexOf('part'));
    log('link.weight').push(1);
    log('link.step').push(step);
  }
  const held = new Uint8Array(sequence.ids.length);
  for (const { tables } of sequence.layers)
    for (const { count, position } of tables) for (let e = 0; e < count; e++) held[position[e]!] = 1;
  const inner = segments.map((_, i) => segments.filter(({ within }) => within === i));
  segments.forEach(({ from, to, open }, i) => {
    if (open || record.gone.has(i + 1)) return;
    for (let position = from; position < to; position++)
      if (held[position] && !inner[i]!.some((own) => own.from <= position && position < own.to)) return;
    record.gone.add(i + 1);
    log('graph.step').push(step);
    log('graph.operation').push(graphOperations.indexOf('forget'));
    log('graph.node').push(i + 1);
    log('graph.other').push(-1);
  });
}

/** Where nodes lie now. */
export function graphStateColumns({ from, to }: GraphRecord): Columns {
  const state = (data: readonly number[]) => ({
    lane: 'state' as const,
    shape: [data.length],
    data: Uint32Array.from(data),
  });
  return { 'node.from': state(from), 'node.to': state(to) };
}
