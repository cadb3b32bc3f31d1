/** Moves rows from one store to another, encoding them on the way; entries of all layers and heads go in one call. */
import { type Encoding, fromHalfBits, type Part, toHalfBits } from '@kvlab/ops';
import { type CacheLayer, makeRoom, place, writeExact } from '../cache/layer.ts';
import { codeWidth, occupy, releaseSlot, type Store, takeSlot } from '../cache/store.ts';
import type { Encoder } from './encoder.ts';
import type { Observer } from './observer.ts';

/** Entries of one head that change their store, in time order. */
export interface Move {
  layer: CacheLayer;
  layerIndex: number;
  kvHead: number;
  part: Part;
  entries: number[];
  zone: number;
}

/** At most this many numbers are encoded in one call, so that the workspace stays small. */
const largestCall = 4 * 2 ** 20;

/** Carries out moves that share a part, a source and a target encoding. */
export async function moveRows(
  moves: readonly Move[],
  encoder: Encoder,
  observer: Observer | undefined,
): Promise<void> {
  const first = moves[0];
  if (!first) return;
  const { shape } = first.layer;
  const { part } = first;
  const target = shape.storeOf[part][first.zone]!;
  const { encoding } = shape.stores[part][target]!;
  const D = shape.headSize;
  const rooms = new Map<CacheLayer, Int32Array>();
  for (const { layer, kvHead, entries } of moves) {
    const extra = rooms.get(layer) ?? new Int32Array(shape.kvHeads);
    extra[kvHead] = entries.length;
    rooms.set(layer, extra);
  }
  for (const [layer, extra] of rooms) makeRoom(layer, part, target, extra);
  if ('rows' in encoding.codes && encoding.exact) {
    for (const move of moves) copyExact(move, target, await exactRows(move, encoder));
    return;
  }
  const longest = Math.max(...moves.map((m) => m.entries.length));
  const perCall = Math.max(1, Math.floor(largestCall / (longest * D)));
  for (let from = 0; from < moves.length; from += perCall) {
    const some = moves.slice(from, from + perCall);
    const T = Math.max(...some.map((m) => m.entries.length));
    const rows = new Float32Array(some.length * T * D);
    for (const [i, move] of some.entries()) {
      const own = await exactRows(move, encoder);
      // Padding repeats the last row, so that it widens no range; what it encodes to is dropped.
      for (let t = 0; t < T; t++)
        rows.set(own.subarray(Math.min(t, move.entries.length - 1) * D).subarray(0, D), (i * T + t) * D);
    }
    const { codes, restored } = await encoder.encode(encoding, rows, some.length, T, D);
    for (const [i, move] of some.entries()) {
      const n = move.entries.length;
      const table = move.layer.tables[move.kvHead]!;
      const range = (data: Float32Array) => data.slice(i * T * D, (i * T + n) * D);
      observer?.written({
        layer: move.layerIndex,
        kvHead: move.kvHead,
        part,
        bits: encoding.bits,
        positions: Int32Array.from(move.entries, (e) => table.position[e]!),
        exact: range(rows),
        restored: range(restored),
      });
      writeCodes(move, target, encoding, codes, i, T);
    }
  }
}

/** The rows of the entries as f32 [n, D], whatever they are stored in. */
export async function exactRows({ layer, kvHead, part, entries }: Move, encoder: Encoder): Promise<Float32Array> {
  const D = layer.shape.headSize;
  const table = layer.tables[kvHead]!;
  const out = new Float32Array(entries.length * D);
  for (const [i, entry] of entries.entries()) {
    const store = layer.stores[part][table.store[part][entry]!]!;
    const rows = store.codes.get('rows')?.[kvHead];
    if (!rows)
      throw new Error(
        `keep: rows of ${store.encoding.name} cannot be read back yet (${encoder ? 'encoder' : ''}); order zones so that rows leave exact stores only`,
      );
    const slot = table.slot[part][entry]!;
    if (rows instanceof Uint16Array) for (let d = 0; d < D; d++) out[i * D + d] = fromHalfBits(rows[slot * D + d]!);
    else out.set(rows.subarray(slot * D, (slot + 1) * D), i * D);
  }
  return out;
}

function leaveOld({ layer, kvHead, part }: Move, entry: number): void {
  const table = layer.tables[kvHead]!;
  releaseSlot(layer.stores[part][table.store[part][entry]!]!, kvHead, table.slot[part][entry]!);
}

function copyExact(move: Move, target: number, rows: Float32Array): void {
  const { layer, kvHead, part, entries, zone } = move;
  const D = layer.shape.headSize;
  const store = layer.stores[part][target]!;
  const table = layer.tables[kvHead]!;
  for (const [i, entry] of entries.entries()) {
    leaveOld(move, entry);
    const slot = takeSlot(store, kvHead);
    place(table, part, entry, zone, target, slot);
    occupy(store, kvHead, slot, entry, table.weight[entry]!);
    writeExact(store, kvHead, slot, rows.subarray(i * D, (i + 1) * D));
  }
}

/** Puts the codes of head `i` of a call into the store; entries of a batch get the slots of one batch. */
function writeCodes(
  move: Move,
  target: number,
  encoding: Encoding,
  codes: Record<string, Float32Array | Uint8Array>,
  i: number,
  T: number,
): void {
  const { layer, kvHead, part, entries, zone } = move;
  const store: Store = layer.stores[part][target]!;
  const table = layer.tables[kvHead]!;
  const { grain } = encoding;
  for (let t = 0; t < entries.length; t += grain) {
    const start = takeSlot(store, kvHead);
    for (const [name, code] of Object.entries(encoding.codes)) {
      const width = codeWidth(code, store.headSize);
      const per = code.per === 'entry' ? grain : 1;
      const rowsInCall = code.per === 'entry' ? T : T / grain;
      const from = (i * rowsInCall + (code.per === 'entry' ? t : t / grain)) * width;
      const source = codes[name]!.subarray(from, from + per * width);
      const to = (code.per === 'entry' ? start : start / grain) * width;
      const view = store.codes.get(name)![kvHead]!;
      if (code.type === 'half') for (let k = 0; k < source.length; k++) view[to + k] = toHalfBits(source[k]!);
      else view.set(source as never, to);
    }
    for (let k = 0; k < grain; k++) {
      const entry = entries[t + k]!;
      leaveOld(move, entry);
      place(table, part, entry, zone, target, start + k);
      occupy(store, kvHead, start + k, entry, table.weight[entry]!);
    }
  }
}
