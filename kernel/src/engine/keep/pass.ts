/** The keep pass: score, allocate, select, and carry out what was selected, for all layers and heads at once. */
import {
  type Allocated,
  type AllocationRequest,
  assignZones,
  type Bound,
  type Fitted,
  leaves,
  type Method,
  type Part,
  type Segment,
  type ZoneRule,
} from '@kvlab/ops';
import { type CacheLayer, compact, evict, parts } from '../cache/layer.ts';
import { inTimeOrder, type Table } from '../cache/table.ts';
import type { Encoder } from './encoder.ts';
import { type Leaving, mergeLeaving, merges, type Taken } from './merge.ts';
import { type Move, moveRows } from './moves.ts';
import type { CacheEvent, Observer } from './observer.ts';
import { checkScore, type ScoreFacts, scoreHeld } from './score.ts';
import { addSynthetic, type Synthetic, standIn } from './synthetic.ts';

export interface KeepMoment {
  step: number;
  /** Tokens fed so far. */
  seen: number;
  promptLength: number;
  seed: number;
  /** Bytes that are held, as a share of the full cache at the longest text that the model can read. */
  pressure?: number;
  /** Amounts that had settled were changed: they are reckoned once more. */
  amountsChanged?: boolean;
  /** Segments of the text so far, for methods that cut it. */
  segments?: readonly Segment[];
  /** What operators remember of a layer, no entry of it in particular. */
  registers?: (layer: number) => Map<string, Float32Array>;
  /** What scores of held entries may read; methods without such a score need none. */
  facts?: ScoreFacts;
}

/** What an allocation is asked, before anything is scored. */
function requestOf(
  { declaration: { select } }: Method,
  layers: number,
  kvHeads: number,
  headSize: number,
  promptLength: number,
): AllocationRequest {
  const rules = [...select.keys, ...(select.values === select.keys ? [] : select.values)];
  const zones = rules.filter(({ rule }) => rule.amount === undefined && rule.name !== 'rest').map(({ zone }) => zone);
  const reserved = select.keys.reduce((n, { rule }) => n + (rule.amount ?? 0), 0);
  return { layers, kvHeads, promptLength, bytesPerEntry: 2 * 4 * headSize, zones, reserved };
}

/** Amounts for each zone, frozen when the method first needs them; refuses a budget that cannot be met. */
export function allocateBudget(
  method: Method,
  layers: number,
  kvHeads: number,
  headSize: number,
  promptLength: number,
  fitted?: Fitted,
): Allocated {
  try {
    return method.declaration.allocate.allocate({
      ...requestOf(method, layers, kvHeads, headSize, promptLength),
      fitted,
    });
  } catch (error) {
    throw new RangeError(`${method.name}: ${(error as Error).message}`);
  }
}

/** A score that is not a number would sort anywhere. */
function checkScores(score: Bound, layers: readonly CacheLayer[]): void {
  for (const [l, { tables }] of layers.entries())
    for (const [h, table] of tables.entries()) {
      const column = table.columns.get('score');
      if (!column) continue;
      for (let e = 0; e < table.count; e++)
        if (Number.isNaN(column[e])) checkScore(score, Number.NaN, l, h, table.position[e]!);
    }
}

/** Amounts again, for allocations that look at how much was seen, or at the scores of what no earlier rule takes. */
function allocateNow(method: Method, layers: readonly CacheLayer[], before: Allocated, now: KeepMoment): Allocated {
  const { select, allocate } = method.declaration;
  const { kvHeads, headSize } = layers[0]!.shape;
  const scores = (l: number, h: number): Float32Array => {
    const table = layers[l]!.tables[h]!;
    const earlier = zonesOf(method, select.keys.slice(0, -1), table, 'keys', before, l * kvHeads + h, now);
    return columnOf(table).filter((_, e) => earlier[e] === leaves);
  };
  const request = requestOf(method, layers.length, kvHeads, headSize, now.promptLength);
  return allocate.allocate({ ...request, scores, now: { seen: now.seen, pressure: now.pressure ?? 0 } });
}

const columnOf = (table: Table): Float32Array =>
  table.columns.get('score')?.subarray(0, table.count) ?? new Float32Array(table.count);

/** Zones of the entries of one head after the rules; `head` counts over layers. */
function zonesOf(
  method: Method,
  rules: readonly ZoneRule[],
  table: Table,
  part: Part,
  allocated: Allocated,
  head: number,
  { seen, segments }: KeepMoment,
): Uint8Array {
  const amountOf = (zone: string): number => allocated.get(zone)?.[head] ?? Number.POSITIVE_INFINITY;
  const { count, position } = table;
  return assignZones(
    rules,
    method.zones,
    { count, position, score: columnOf(table), seen, segments },
    table.zone[part],
    amountOf,
  );
}

/** Entries that a head may hold in all, with those of fixed rules. */
function allowance({ declaration: { select } }: Method, allocated: Allocated, head: number): number {
  return select.keys.reduce(
    (n, { zone, rule }) => n + (rule.amount ?? allocated.get(zone)?.[head] ?? Number.POSITIVE_INFINITY),
    0,
  );
}

export async function keepPass(
  method: Method,
  layers: readonly CacheLayer[],
  allocated: Allocated,
  now: KeepMoment,
  encoder: Encoder,
  observer?: Observer,
): Promise<Allocated> {
  const { select, allocate, score, compensate } = method.declaration;
  for (const [l, layer] of layers.entries()) await scoreHeld(score, layer, l, now.facts, now);
  if (select.keys.some(({ rule }) => rule.needsScore)) checkScores(score, layers);
  const settled = allocate.settles && now.seen > now.promptLength && !now.amountsChanged;
  const amounts = allocate.reads && !settled ? allocateNow(method, layers, allocated, now) : allocated;
  const moves = new Map<string, Move[]>();
  const leaving: Leaving[] = [];
  const goodbyes: CacheEvent[] = [];
  // What took in each of those that leave, in the same order.
  const takers: (Taken | undefined)[] = [];
  for (const [l, layer] of layers.entries()) {
    layer.tables.forEach((table, h) => {
      const head = l * layer.shape.kvHeads + h;
      if (table.count === 0) return;
      if (allocate.burst && table.count <= allowance(method, amounts, head) + allocate.burst) return;
      const keys = zonesOf(method, select.keys, table, 'keys', amounts, head, now);
      const values =
        select.values === select.keys ? keys : zonesOf(method, select.values, table, 'values', amounts, head, now);
      const gone: number[] = [];
      for (let e = 0; e < table.count; e++) if (keys[e] === leaves) gone.push(e);
      if (values !== keys) checkBothLeave(method, table, keys, values);
      if (gone.length) {
        leaving.push({ layer, layerIndex: l, kvHead: h, entries: gone });
        if (observer) for (const e of gone) goodbyes.push(leaveEvent(method, table, l, h, e, columnOf(table)));
      }
      collectMoves(layer, l, h, { keys, values }, select.keys === select.values, moves, observer);
    });
  }
  const standIns: (Synthetic & { layerIndex: number })[] = [];
  if (layers[0] && layers[0].shape.syntheticZone >= 0)
    for (const { layer, layerIndex, kvHead, entries } of leaving) {
      const one = await standIn(method.declaration.compensate, layer, kvHead, entries, now.facts?.operate);
      standIns.push({ ...one, layerIndex });
    }
  for (const group of moves.values()) await moveRows(group, encoder, observer);
  if (merges(compensate))
    for (const l of new Set(leaving.map(({ layerIndex }) => layerIndex))) {
      const heads = leaving.filter(({ layerIndex }) => layerIndex === l);
      const into = await mergeLeaving({ compensate, score }, heads, now.registers?.(l) ?? new Map(), now.facts?.operate, observer); // biome-ignore format: one line
      heads.forEach(({ entries }, i) => {
        for (const e of entries) takers.push(into[i]!.get(e));
      });
    }
  goodbyes.forEach((event, i) => {
    observer?.event(takers[i] ? { ...event, kind: 'merge', ...takers[i] } : event);
  });
  // From the highest index down: the entry that fills the gap is one that stays.
  for (const { layer, kvHead, entries } of leaving) for (const e of entries.reverse()) evict(layer, kvHead, e);
  for (const one of standIns) {
    addSynthetic(one);
    observer?.event(enterEvent(one.layerIndex, one.kvHead, one.position, one.layer.shape.syntheticZone));
  }
  for (const layer of layers) compact(layer);
  return amounts;
}

/** A stand-in enters; tokens enter without an event. */
function enterEvent(layer: number, kvHead: number, position: number, to: number): CacheEvent {
  const unscored = { into: -1, score: Number.NaN, rank: -1 };
  return { kind: 'enter', layer, kvHead, position, part: 'both', from: leaves, to, ...unscored };
}

function checkBothLeave(method: Method, table: Table, keys: Uint8Array, values: Uint8Array): void {
  for (let e = 0; e < table.count; e++)
    if ((keys[e] === leaves) !== (values[e] === leaves))
      throw new Error(
        `${method.name}: entry at ${table.position[e]} keeps only one of key and value; let both lists of zones take it`,
      );
}

function leaveEvent(method: Method, table: Table, layer: number, kvHead: number, e: number, score: Float32Array) {
  const scored = !method.declaration.score.neutral;
  let rank = 0;
  if (scored) for (let i = 0; i < table.count; i++) if (score[i]! > score[e]!) rank++;
  return {
    kind: 'leave' as 'leave' | 'merge',
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
  let changed: number[] = [];
  for (const part of parts) {
    const target = zones[part];
    if (part === 'keys' || !joint) changed = changes(table.zone[part], target, table.count);
    const byTarget = new Map<string, number[]>();
    for (const e of changed) {
      const [from, to] = [table.zone[part][e]!, target[e]!];
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

/** Entries that stay, in another zone. */
function changes(from: Uint8Array, to: Uint8Array, count: number): number[] {
  const out: number[] = [];
  for (let e = 0; e < count; e++) if (to[e] !== from[e] && to[e] !== leaves) out.push(e);
  return out;
}

export function leastCommonMultiple(a: number, b: number): number {
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
