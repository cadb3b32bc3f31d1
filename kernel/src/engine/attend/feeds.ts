/** Fills the inputs of an attention graph from the cache of a layer: rows as stored, biases, positions, columns. */
import { codeAxes, codeType, fromHalfBits, madeInputs } from '@kvlab/ops';
import type { CacheLayer } from '../cache/layer.ts';
import { hidden, registerOf, type Store, wholeBuffer } from '../cache/store.ts';
import { inTimeOrder } from '../cache/table.ts';
import { fittedInputs } from '../fit/inputs.ts';
import { isColumn, keptAs } from '../keep/parts.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { type Columns, columnsOf, timeOrder } from './columns.ts';
import { type Form, readsHidden, type SplicedScore } from './form.ts';
import { port } from './graph.ts';
import type { Queries } from './queries.ts';
import type { RotaryTable } from './rotary.ts';
import { takenFeeds } from './taken.ts';

const f32 = (data: Float32Array, ...dims: number[]): Tensor => ({ type: 'float32', dims, data });
const i32 = (data: Int32Array, ...dims: number[]): Tensor => ({ type: 'int32', dims, data });

/** Positions of each of these heads, counted from `from`, as the 64-bit numbers [heads, n] that the runtime wants. */
function ids(of: readonly Int32Array[], heads: readonly number[], from: number): Tensor {
  const width = of[heads[0]!]!.length;
  const data = new BigInt64Array(heads.length * width);
  // Written as pairs of 32-bit words, lower first (engines run on little-endian machines): a BigInt each takes ten times as long.
  const words = new Int32Array(data.buffer);
  heads.forEach((h, i) => {
    const own = of[h]!;
    for (let s = 0; s < width; s++) words[2 * (i * width + s)] = own[s]! - from;
  });
  return { type: 'int64', dims: [heads.length, width], data };
}

/** Every input of the graph for one layer and step. */
export function attendFeeds(layer: CacheLayer, form: Form, x: Queries, rotary: RotaryTable): Record<string, Tensor> {
  const { kvHeads: H, group: G, headSize: D } = form;
  const Q = x.position.length;
  const feeds: Record<string, Tensor> = {
    queries: f32(x.queries, H, G * Q, D),
    keys: f32(x.keys, H, Q, D),
    values: f32(x.values, H, Q, D),
    'bias.fresh': form.gated ? f32(joinedFreshBias(Q, G, x), H, G * Q, Q) : f32(freshBias(Q, G, x), G * Q, Q),
  };
  const blocks = form.apart ? Array.from({ length: H }, (_, h) => [h]) : [Array.from({ length: H }, (_, h) => h)];
  const placed = place(layer, form, x);
  feeds['cos'] = f32(rotary.rows(placed.from, placed.to).cos, placed.to - placed.from, D / 2);
  feeds['sin'] = f32(rotary.rows(placed.from, placed.to).sin, placed.to - placed.from, D / 2);
  blocks.forEach((heads, b) => {
    const name = (n: string) => port(n, form.apart ? b : undefined);
    const n = heads.length;
    feeds[name('ids.queries')] = ids(placed.queries, heads, placed.from);
    feeds[name('ids.keys')] = ids(placed.queries, heads, placed.from);
    if (form.keys.some((s) => s.anchored)) feeds[name('ids.anchored')] = ids(placed.anchored, heads, placed.from);
    form.keys.forEach(({ index }, i) => {
      const store = layer.stores.keys[index]!;
      const slots = store.capacity[heads[0]!]!;
      Object.assign(feeds, codeFeeds(form, store, name(`keys.${i}`), heads));
      if (!form.rotated) feeds[name(`ids.keys.${i}`)] = ids(placed.slots[index]!, heads, placed.from);
      feeds[name(`bias.${i}`)] = form.perQuery
        ? f32(windowBias(layer, index, heads, x, G), n, G * Q, slots)
        : f32(joined(store.bias, heads, store.apart), n, 1, slots);
    });
    form.values.forEach(({ index }, i) => {
      const store = layer.stores.values[index]!;
      Object.assign(feeds, codeFeeds(form, store, name(`values.${i}`), heads));
      if (!form.aligned)
        feeds[name(`order.values.${i}`)] = i32(
          valueOrder(layer, form, index, heads, Q),
          n,
          1,
          store.capacity[heads[0]!]!,
        );
    });
    if (form.scores.some(readsHidden) && x.hidden) feeds[name('hidden')] = f32(x.hidden, Q, x.hidden.length / Q);
    for (const [input, tensor] of Object.entries(takenFeeds(form, heads, x))) feeds[name(input)] = tensor;
    for (const spliced of form.scores) Object.assign(feeds, scoreFeeds(layer, form, spliced, heads, x, name));
  });
  return feeds;
}

/** What several heads hold, one after the other; a view where they lie together. */
function joined<A extends Float32Array | Int32Array | Uint8Array | Uint16Array>(
  views: readonly A[],
  heads: readonly number[],
  apart: boolean,
): A {
  if (heads.length === 1) return views[heads[0]!]!;
  if (!apart) return wholeBuffer(views as never, false)[0] as unknown as A;
  throw new Error('attend: heads that lie apart were asked for together; the form must be apart too');
}

function codeFeeds(form: Form, store: Store, name: string, heads: readonly number[]): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  const slots = store.capacity[heads[0]!]!;
  for (const [code, spec] of Object.entries(store.encoding.codes)) {
    const rows = spec.per === 'entry' ? slots : slots / store.encoding.grain;
    const dims = codeAxes(spec, heads.length, rows, store.headSize);
    const data =
      spec.per === 'store'
        ? registerOf(store, code, heads)
        : spec.joint
          ? store.codes.get(code)![0]!
          : joined(store.codes.get(code)!, heads, store.apart);
    const type = codeType(spec, form.device);
    if (type === 'f16') feeds[`${name}.${code}`] = { type: 'float16', dims, data };
    else if (type === 'u8') feeds[`${name}.${code}`] = { type: 'uint8', dims, data };
    else
      feeds[`${name}.${code}`] = f32(
        data instanceof Float32Array ? data : Float32Array.from(data, fromHalfBits),
        ...dims,
      );
  }
  return feeds;
}

/** A query sees itself and what came before it in the chunk, within its window; tiled for the query heads of a group. */
function freshBias(Q: number, G: number, { windows, position }: Queries, passed?: Uint8Array): Float32Array {
  const bias = new Float32Array(G * Q * Q);
  for (let q = 0; q < Q; q++)
    for (let k = 0; k < Q; k++) {
      const inWindow = !windows || position[k]! < windows.first || k >= q - windows.last;
      const seen = k <= q && (inWindow || k === q || passed?.[k] === 1);
      if (!seen) for (let member = 0; member < G; member++) bias[(member * Q + q) * Q + k] = hidden;
    }
  return bias;
}

/** A bias for each KV head, one after the other: [Hkv, G*Q, F]. */
function joinedFreshBias(Q: number, G: number, x: Queries): Float32Array {
  const fresh = x.passed!.fresh;
  const out = new Float32Array(fresh.length * G * Q * Q);
  fresh.forEach((passed, h) => {
    out.set(freshBias(Q, G, x, passed), h * G * Q * Q);
  });
  return out;
}

/** The stored bias, with what lies outside each query's window hidden: [heads, G*Q, slots]. */
function windowBias(
  layer: CacheLayer,
  index: number,
  heads: readonly number[],
  { windows, position, passed }: Queries,
  G: number,
): Float32Array {
  const store = layer.stores.keys[index]!;
  const [Q, slots] = [position.length, store.capacity[heads[0]!]!];
  const bias = new Float32Array(heads.length * G * Q * slots);
  heads.forEach((h, i) => {
    const table = layer.tables[h]!;
    for (let q = 0; q < Q; q++) {
      const row = new Float32Array(store.bias[h]!);
      if (windows)
        for (let slot = 0; slot < slots; slot++) {
          const entry = store.entry[h]![slot]!;
          const at = entry < 0 ? -1 : table.position[entry]!;
          const old = at >= windows.first && at < position[q]! - windows.last;
          if (old && passed?.held[h]?.[entry] !== 1) row[slot] = hidden;
        }
      for (let member = 0; member < G; member++) bias.set(row, ((i * G + member) * Q + q) * slots);
    }
  });
  return bias;
}

/** For each slot of a value store the column of its key. Empty slots point behind the last stored key, where the share is
 *  zero: in a batch that is partly empty the codes of what left are still there. */
function valueOrder(layer: CacheLayer, form: Form, index: number, heads: readonly number[], Q: number): Int32Array {
  const store = layer.stores.values[index]!;
  const slots = store.capacity[heads[0]!]!;
  const order = new Int32Array(heads.length * slots);
  heads.forEach((h, i) => {
    const table = layer.tables[h]!;
    const { start, fresh } = columnsOf(layer, form, h, Q);
    for (let slot = 0; slot < slots; slot++) {
      const entry = store.entry[h]![slot]!;
      order[i * slots + slot] = entry < 0 ? fresh : start[table.store.keys[entry]!]! + table.slot.keys[entry]!;
    }
  });
  return order;
}

/** States of a score, what fits and facts give to it, and the columns in time order where the operator wants them so. */
function scoreFeeds(
  layer: CacheLayer,
  form: Form,
  { part, score, ordered }: SplicedScore,
  heads: readonly number[],
  x: Queries,
  name: (n: string) => string,
): Record<string, Tensor> {
  const { position, now } = x;
  const Q = position.length;
  const feeds: Record<string, Tensor> = {};
  const own = (what: string, n: string) => name(`${what}.${keptAs(part, n)}`);
  const counts = heads.map((h) => columnsOf(layer, form, h, Q));
  const C = counts[0]!.count;
  const { inputs, made, state = {} } = score.operator;
  for (const [name, spec] of Object.entries(state)) {
    const kept = keptAs(part, name);
    if (!isColumn(score, name)) {
      const sizes = { Hkv: form.kvHeads, Hq: form.kvHeads * form.group, D: form.headSize };
      const dims = spec.dims.map((d) => (typeof d === 'number' ? d : sizes[d as keyof typeof sizes]));
      const all = x.registers?.get(kept) ?? new Float32Array(dims.reduce((n, d) => n * d, 1)).fill(spec.start ?? 0);
      feeds[own('state', name)] = ofHeads({ dims, data: all }, form.kvHeads, heads);
      continue;
    }
    const data = new Float32Array(heads.length * C).fill(spec.pad ?? 0);
    heads.forEach((h, i) => {
      const { count, columns, store, slot } = layer.tables[h]!;
      const { start, fresh } = counts[i]!;
      const [column, stores, slots] = [columns.get(kept)!, store.keys, slot.keys];
      for (let e = 0; e < count; e++) data[i * C + start[stores[e]!]! + slots[e]!] = column[e]!;
      data.fill(spec.start ?? 0, i * C + fresh, (i + 1) * C);
    });
    feeds[own('state', name)] = f32(data, heads.length, C);
  }
  const given = fittedInputs(score, x.fitted, now?.layer ?? 0);
  for (const [input, tensor] of Object.entries(given))
    feeds[own('fitted', input)] = ofHeads(tensor, form.kvHeads, heads);
  if (made && now) {
    const entries = heads.map((h, i) => columnPositions(layer, h, counts[i]!, position));
    const sizes = { Hkv: heads.length, Hq: heads.length * form.group, G: form.group, D: form.headSize, Q, T: C };
    const at = { kvHeads: heads, group: form.group, queries: position, entries };
    for (const [input, data] of Object.entries(madeInputs(score.operator, score.params, { ...now, sizes }, at))) {
      const dims = inputs[input]!.dims.map((d) => (typeof d === 'number' ? d : sizes[d as keyof typeof sizes]));
      feeds[own('made', input)] = f32(data, ...dims);
    }
  }
  if (ordered) {
    const T = Math.max(...heads.map((h) => layer.tables[h]!.count)) + Q;
    const order = new Int32Array(heads.length * form.group * T).fill(C);
    heads.forEach((h, i) => {
      const columns = timeOrder(layer, form, h, Q);
      for (let member = 0; member < form.group; member++)
        order.set(columns, (i * form.group + member) * T + T - columns.length);
    });
    feeds[own('order', 'time')] = i32(order, heads.length * form.group, 1, T);
  }
  return feeds;
}

/** The part of a tensor, whose first axis goes over heads of keys or of queries, that belongs to these KV heads. */
function ofHeads(
  { dims, data }: { dims: readonly number[]; data: Float32Array },
  kvHeads: number,
  heads: readonly number[],
): Tensor {
  const width = data.length / kvHeads;
  const own = data.subarray(heads[0]! * width, (heads[0]! + heads.length) * width);
  return f32(own, (dims[0]! / kvHeads) * heads.length, ...dims.slice(1));
}

/** Absolute position of each column of a head, -1 where it is empty. */
function columnPositions(
  layer: CacheLayer,
  kvHead: number,
  { start, fresh, count }: Columns,
  news: Int32Array,
): Int32Array {
  const table = layer.tables[kvHead]!;
  const out = new Int32Array(count).fill(-1);
  for (let e = 0; e < table.count; e++) out[start[table.store.keys[e]!]! + table.slot.keys[e]!] = table.position[e]!;
  out.set(news, fresh);
  return out;
}

/** Rotary positions of queries by head, and of the slots of each store by head where keys are kept unrotated; all lie in
 *  from..to-1. */
function place(layer: CacheLayer, form: Form, { position, windows }: Queries) {
  const Q = position.length;
  if (form.rotated) {
    const same = layer.tables.map(() => position);
    return { queries: same, anchored: same, slots: [] as Int32Array[][], from: position[0]!, to: position[Q - 1]! + 1 };
  }
  const { ruleOf } = layer.shape.attend;
  const queries: Int32Array[] = [];
  const anchored: Int32Array[] = [];
  const stores = layer.stores.keys;
  const slots = stores.map(({ capacity }) => Array.from(capacity, (n) => new Int32Array(n)));
  // The runtime wants a table at least as long as the longest list of positions.
  let to = Math.max(Q, ...stores.map((store) => Math.max(...store.capacity)));
  layer.tables.forEach((table, h) => {
    const { count } = table;
    const rank = new Int32Array(count);
    const order = inTimeOrder(table);
    for (let i = 0; i < count; i++) rank[order[i]!] = i;
    const limit = windows ? windows.first + windows.last : Number.POSITIVE_INFINITY;
    const visibleBefore = Int32Array.from({ length: Q }, (_, q) => Math.min(count + q, limit));
    const news = { position, readBefore: count, visibleBefore };
    const held = { position: table.position.subarray(0, count), rank };
    const [zone, slot] = [table.zone.keys, table.slot.keys];
    layer.shape.zones.forEach((name, z) => {
      const index = layer.shape.storeOf.keys[z]!;
      const store = stores[index]!;
      const at = ruleOf(name).place(held, news, store.anchored);
      (store.anchored ? anchored : queries)[h] = at.queries;
      const own = slots[index]![h]!;
      for (let e = 0; e < count; e++) {
        const key = at.keys[e]!;
        if (zone[e] === z) own[slot[e]!] = key;
        if (key >= to) to = key + 1;
      }
      to = Math.max(to, at.queries[Q - 1]! + 1);
    });
    anchored[h] ??= queries[h]!;
  });
  return { queries, anchored, slots, from: 0, to };
}
