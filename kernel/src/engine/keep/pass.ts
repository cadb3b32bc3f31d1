/** The keep pass: score, allocate, select, and carry out what was selected, for all layers and heads at once. */
import { type Allocated, assignZones, leaves, type Method, type Part, type ZoneRule } from '@kvlab/ops';
import { type CacheLayer, compact, evict, parts } from '../cache/layer.ts';
import { inTimeOrder, type Table } from '../cache/table.ts';
import type { Encoder } from './encoder.ts';
import { type Move, moveRows } from './moves.ts';
import type { Observer } from './observer.ts';

export interface KeepMoment {
  step: number;
  /** Tokens fed so far. */
  seen: number;
  promptLength: number;
  seed: number;
}

/** Amounts for each zone, frozen when the method first needs them; refuses a budget that cannot be met. */
export function allocateBudget(
  method: Method,
  layers: number,
  kvHeads: number,
  headSize: number,
  promptLength: number,
): Allocated {
  const { select, allocate } = method.declaration;
  const rules = [...select.keys, ...(select.values === select.keys ? [] : select.values)];
  const zones = rules.filter(({ rule }) => rule.amount === undefined && rule.name !== 'rest').map(({ zone }) => zone);
  const reserved = select.keys.reduce((n, { rule }) => n + (rule.amount ?? 0), 0);
  try {
    return allocate.allocate({ layers, kvHeads, promptLength, bytesPerEntry: 2 * 4 * headSize, zones, reserved });
  } catch (error) {
    throw new RangeError(`${method.name}: ${(error as Error).message}`);
  }
}

export async function keepPass(
  method: Method,
  layers: readonly CacheLayer[],
  allocated: Allocated,
  now: KeepMoment,
  encoder: Encoder,
  observer?: Observer,
): Promise<void> {
  const { select } = method.declaration;
  const moves = new Map<string, Move[]>();
  const leaving: { layer: CacheLayer; kvHead: number; entries: number[] }[] = [];
  for (const [l, layer] of layers.entries()) {
    const { kvHeads } = layer.shape;
    layer.tables.forEach((table, h) => {
      if (table.count === 0) return;
      const score = scoresOf(method, table, l, h, now);
      const amountOf = (zone: string): number => {
        const amount = allocated.get(zone);
        return amount ? amount[l * kvHeads + h]! : Number.POSITIVE_INFINITY;
      };
      const assign = (rules: readonly ZoneRule[], part: Part) =>
        assignZones(
          rules,
          method.zones,
          { count: table.count, position: table.position, score, seen: now.seen },
          table.zone[part],
          amountOf,
        );
      const keys = assign(select.keys, 'keys');
      const values = select.values === select.keys ? keys : assign(select.values, 'values');
      const gone: number[] = [];
      for (let e = 0; e < table.count; e++) {
        if ((keys[e] === leaves) !== (values[e] === leaves))
          throw new Error(
            `${method.name}: entry at ${table.position[e]} keeps only one of key and value; let both lists of zones take it`,
          );
        if (keys[e] === leaves) gone.push(e);
      }
      if (gone.length) {
        leaving.push({ layer, kvHead: h, entries: gone });
        if (observer) for (const e of gone) observer.event(leaveEvent(method, table, l, h, e, score));
      }
      collectMoves(layer, l, h, { keys, values }, select.keys === select.values, moves, observer);
    });
  }
  for (const group of moves.values()) await moveRows(group, encoder, observer);
  // From the highest index down: the entry that fills the gap is one that stays.
  for (const { layer, kvHead, entries } of leaving) for (const e of entries.reverse()) evict(layer, kvHead, e);
  for (const layer of layers) compact(layer);
}

/** Scores of all entries: a column that the attention graph keeps, or what a host operator computes now. */
function scoresOf(method: Method, table: Table, layer: number, kvHead: number, now: KeepMoment): Float32Array {
  const { score } = method.declaration;
  const column = table.columns.get('score');
  if (score.neutral || !column) return new Float32Array(table.count);
  if (!score.operator.graph && 'position' in score.operator.inputs) {
    hostScore(method, table, layer, kvHead, now, column);
  }
  return column.subarray(0, table.count);
}

function hostScore(
  { declaration: { score } }: Method,
  table: Table,
  layer: number,
  kvHead: number,
  now: KeepMoment,
  column: Float32Array,
): void {
  const T = table.count;
  const position = {
    dims: [1, T],
    data: Float64Array.from(table.position.subarray(0, T)),
    get: (_: number, t: number) => table.position[t]!,
    set: () => {},
    add: () => {},
  };
  // A head is scored by itself: layer and head together tell operators apart that mix them into a seed.
  const moment = { ...now, layer: layer * 256 + kvHead, sizes: { Hkv: 1 } };
  const { score: scores } = score.operator.reference({ position }, score.params as never, moment);
  for (let t = 0; t < T; t++) column[t] = scores!.data[t]!;
}

function leaveEvent(method: Method, table: Table, layer: number, kvHead: number, e: number, score: Float32Array) {
  const scored = !method.declaration.score.neutral;
  let rank = 0;
  if (scored) for (let i = 0; i < table.count; i++) if (score[i]! > score[e]!) rank++;
  return {
    kind: 'leave' as const,
    layer,
    kvHead,
    position: table.position[e]!,
    part: 'both' as const,
    from: table.zone.keys[e]!,
    to: leaves,
    into: -1,
    score: scored ? score[e]! : Number.NaN,
    rank: scored ? rank : -1,
  };
}

/** Relabels what stays in its store, and lists what changes it. Whole batches move; what does not fill one stays where it is. */
function collectMoves(
  layer: CacheLayer,
  layerIndex: number,
  kvHead: number,
  zones: Record<Part, Uint8Array>,
  joint: boolean,
  moves: Map<string, Move[]>,
  observer: Observer | undefined,
): void {
  const table = layer.tables[kvHead]!;
  const { storeOf, stores } = layer.shape;
  for (const part of parts) {
    const target = zones[part];
    const byTarget = new Map<string, number[]>();
    for (let e = 0; e < table.count; e++) {
      const [from, to] = [table.zone[part][e]!, target[e]!];
      if (to === from || to === leaves) continue;
      if (storeOf[part][to] === table.store[part][e]) {
        table.zone[part][e] = to;
        if (!joint || part === 'keys')
          observer?.event(moveEvent(table, layerIndex, kvHead, joint ? 'both' : part, e, from, to));
      } else {
        const key = `${table.store[part][e]}>${to}`;
        const list = byTarget.get(key);
        if (list) list.push(e);
        else byTarget.set(key, [e]);
      }
    }
    if (byTarget.size === 0) continue;
    const rank = new Int32Array(table.count);
    inTimeOrder(table).forEach((e, i) => {
      rank[e] = i;
    });
    for (const [key, list] of byTarget) {
      const zone = target[list[0]!]!;
      const grainOf = (p: Part) => stores[p][storeOf[p][zone]!]!.encoding.grain;
      // Parts that share their zones move together, in batches that fill whole ones of both.
      const grain = joint ? leastCommonMultiple(grainOf('keys'), grainOf('values')) : grainOf(part);
      list.sort((a, b) => rank[a]! - rank[b]!);
      const entries = list.slice(0, list.length - (list.length % grain));
      if (entries.length === 0) continue;
      for (const e of entries)
        if (!joint || part === 'keys')
          observer?.event(moveEvent(table, layerIndex, kvHead, joint ? 'both' : part, e, table.zone[part][e]!, zone));
      const group = `${part}|${key}`;
      const move: Move = { layer, layerIndex, kvHead, part, entries, zone };
      const known = moves.get(group);
      if (known) known.push(move);
      else moves.set(group, [move]);
    }
  }
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = a;
  while (multiple % b) multiple += a;
  return multiple;
}

function moveEvent(
  table: Table,
  layer: number,
  kvHead: number,
  part: Part | 'both',
  e: number,
  from: number,
  to: number,
) {
  return {
    kind: 'move' as const,
    layer,
    kvHead,
    position: table.position[e]!,
    part,
    from,
    to,
    into: -1,
    score: Number.NaN,
    rank: -1,
  };
}
