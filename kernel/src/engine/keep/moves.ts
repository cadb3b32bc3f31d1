/** Moves rows from one store to another, encoding them on the way; entries of all layers and heads go in one call. */
import { asksQueries, codesOfStore, type Encoding, fromHalfBits, type Part, toHalfBits } from '@kvlab/ops';
import { type CacheLayer, makeRoom, place, writeExact } from '../cache/layer.ts';
import { codeWidth, occupy, registerOf, releaseSlot, type Store, takeSlot } from '../cache/store.ts';
import type { Encoder, RowsToEncode } from './encoder.ts';
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
  for (const some of calls(moves, encoding, target, D)) {
    const T = Math.max(...some.map((m) => m.entries.length));
    const rows = new Float32Array(some.length * T * D);
    for (const [i, move] of some.entries()) {
      const own = await exactRows(move, encoder);
      // Padding repeats the last row, so that it widens no range; what it encodes to is dropped.
      for (let t = 0; t < T; t++)
        rows.set(own.subarray(Math.min(t, move.entries.length - 1) * D).subarray(0, D), (i * T + t) * D);
    }
    const facts = knownBefore(some, encoding, target, D);
    const restores = observer !== undefined;
    const { codes, restored } = await encoder.encode(encoding, { rows, H: some.length, T, D, restores, ...facts });
    learn(some, encoding, target, codes);
    for (const [i, move] of some.entries()) {
      const n = move.entries.length;
      const table = move.layer.tables[move.kvHead]!;
      const range = (data: Float32Array) => data.slice(i * T * D, (i * T + n) * D);
      if (restored)
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

/** Moves that are encoded in one call. Rows that heads share are encoded layer by layer, and so is what teaches them a code that
 *  they share; heads that still have to learn the codes of their store go together. */
function calls(moves: readonly Move[], encoding: Encoding, target: number, D: number): Move[][] {
  const { kvHeads } = moves[0]!.layer.shape;
  if (encoding.joint || codesOfStore(encoding.codes).some(([, code]) => code.joint && !code.fitted)) {
    const layers = [...new Set(moves.map(({ layer }) => layer))];
    return layers.map((layer) => {
      const own = moves.filter((move) => move.layer === layer);
      if (encoding.joint && own.length !== kvHeads)
        throw new Error(
          `encode: ${encoding.name} writes one row for all ${kvHeads} KV heads, and only ${own.length} hold it still exact; select the same tokens in all heads, or use a code for each head`,
        );
      return own;
    });
  }
  const longest = Math.max(...moves.map((m) => m.entries.length));
  const perCall = Math.max(1, Math.floor(largestCall / (longest * D)));
  const knows = ({ layer, part, kvHead }: Move) => layer.stores[part][target]!.learnt[kvHead] === 1;
  return [moves.filter(knows), moves.filter((move) => !knows(move))].flatMap((list) =>
    Array.from({ length: Math.ceil(list.length / perCall) }, (_, i) => list.slice(i * perCall, (i + 1) * perCall)),
  );
}

/** The codes of the stores that are known already, and the queries from which the others are learnt. */
function knownBefore(
  moves: readonly Move[],
  encoding: Encoding,
  target: number,
  D: number,
): Pick<RowsToEncode, 'known' | 'queryPeaks'> {
  const { layer, part, kvHead } = moves[0]!;
  const knows = layer.stores[part][target]!.learnt[kvHead] === 1;
  const ofStore = codesOfStore(encoding.codes).filter(([, code]) => code.fitted || knows);
  const known = ofStore.map(([name, code]): [string, Float32Array] => {
    const parts = (encoding.joint && code.joint ? moves.slice(0, 1) : moves).map((m) =>
      registerOf(m.layer.stores[part][target]!, name, [m.kvHead]),
    );
    return [name, concatenated(parts)];
  });
  const asks = asksQueries(encoding) && !knows && moves.every((m) => m.layer.queryPeaks);
  const queryPeaks = asks
    ? concatenated(moves.map((m) => m.layer.queryPeaks!.subarray(m.kvHead * D, (m.kvHead + 1) * D)))
    : undefined;
  return { known: Object.fromEntries(known), queryPeaks };
}

/** Keeps what the first rows of a store taught. */
function learn(
  moves: readonly Move[],
  encoding: Encoding,
  target: number,
  codes: Record<string, Float32Array | Uint8Array>,
): void {
  const learnt = codesOfStore(encoding.codes).filter(([name]) => name in codes);
  for (const [i, { layer, part, kvHead }] of moves.entries()) {
    const store = layer.stores[part][target]!;
    for (const [name, code] of learnt) {
      const width = codeWidth(code, store.headSize);
      const at = code.joint ? 0 : i * width;
      registerOf(store, name, [kvHead]).set(codes[name]!.subarray(at, at + width));
    }
    store.learnt[kvHead] = 1;
  }
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let end = 0;
  for (const part of parts) {
    out.set(part, end);
    end += part.length;
  }
  return out;
}

/** The rows of the entries as f32 [n, D], whatever they are stored in. */
export async function exactRows({ layer, kvHead, part, entries }: Move, encoder: Encoder): Promise<Float32Array> {
  const D = layer.shape.headSize;
  const table = layer.tables[kvHead]!;
  const out = new Float32Array(entries.length * D);
  // What is packed is read back as the next query would see it.
  const packed = new Map<Store, Promise<Float32Array>>();
  const restored = (store: Store): Promise<Float32Array> => {
    const rows = packed.get(store) ?? encoder.restore(store, kvHead);
    packed.set(store, rows);
    return rows;
  };
  for (const [i, entry] of entries.entries()) {
    const store = layer.stores[part][table.store[part][entry]!]!;
    const rows = store.codes.get('rows')?.[kvHead] ?? (await restored(store));
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
      if (code.per === 'store') continue;
      const width = codeWidth(code, store.headSize);
      const per = code.per === 'entry' ? grain : 1;
      const rowsInCall = code.per === 'entry' ? T : T / grain;
      const from = ((code.joint ? 0 : i) * rowsInCall + (code.per === 'entry' ? t : t / grain)) * width;
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
