/** A store: the rows of one part (keys or values) that share an encoding, in real buffers, ragged by KV head.
 *
 *  Heads of about equal length lie together in one buffer [Hkv, capacity, ...], so that one product serves them all; when
 *  padding would waste more than a seventh, each head has a buffer of its own. Empty slots are slack. An encoding with
 *  batches (`grain` > 1) hands out and takes back whole batches: a batch stays until its last entry has left. */
import { type Code, codeBytes, codesOfStore, type Encoding, type Part } from '@kvlab/ops';

export type CodeArray = Float32Array | Uint16Array | Uint8Array;

export interface Store {
  readonly encoding: Encoding;
  readonly part: Part;
  /** Keys of anchored zones are read from other query positions than the rest. */
  readonly anchored: boolean;
  readonly headSize: number;
  readonly kvHeads: number;
  /** Slots for this many rows, where a pager hands them out. */
  readonly room?: (slots: number) => number;
  /** True when each head has buffers of its own. */
  apart: boolean;
  /** Slots of each head. */
  capacity: Int32Array;
  /** For each code one view a head; slot s of an entry-wise code is row s, of a batch-wise code row floor(s / grain). A joint
   *  code has one view for all heads. */
  codes: Map<string, CodeArray[]>;
  /** Codes of the store itself, [Hkv or 1, ...], and for which heads they are known. */
  registers: Map<string, Float32Array>;
  learnt: Uint8Array;
  /** Entry in each slot of each head, -1 where empty. */
  entry: Int32Array[];
  /** Keys only: what is added to the logit in each slot, ln(weight) or `hidden` where empty. */
  bias: Float32Array[];
  /** Free slots (or first slots of free batches), last one is given next. */
  free: number[][];
  /** Slots in use, whole batches counted. */
  used: Int32Array;
}

/** Added to logits that must not be seen. Not -Infinity: what 0 * Infinity gives differs between devices. */
export const hidden = -1e30;
/** Slots are handed out in steps: small ones while there are few, so that a zone of four sinks wastes little, and large ones
 *  where a new buffer means that much is copied. */
const stepAt = (slots: number): number => (slots <= 64 ? 16 : slots <= 512 ? 32 : slots <= 1024 ? 64 : 128);
/** Padding above this share of the rows in use gives each head its own buffer. */
const worthApart = 1.15;

export function createStore(
  part: Part,
  encoding: Encoding,
  anchored: boolean,
  kvHeads: number,
  headSize: number,
  room?: (slots: number) => number,
): Store {
  const none = <A>(make: () => A): A[] => Array.from({ length: kvHeads }, make);
  const store: Store = {
    part,
    encoding,
    anchored,
    headSize,
    kvHeads,
    room,
    apart: false,
    capacity: new Int32Array(kvHeads),
    codes: new Map(),
    registers: new Map(
      codesOfStore(encoding.codes).map(([name, code]) => [
        name,
        new Float32Array((code.joint ? 1 : kvHeads) * codeWidth(code, headSize)),
      ]),
    ),
    learnt: new Uint8Array(kvHeads),
    entry: none(() => new Int32Array(0)),
    bias: none(() => new Float32Array(0)),
    free: none(() => []),
    used: new Int32Array(kvHeads),
  };
  allocate(store, new Int32Array(kvHeads), false);
  return store;
}

const arrayType = { f32: Float32Array, half: Uint16Array, u8: Uint8Array } as const;
/** Codes that have rows. */
const rowCodes = ({ codes }: Encoding): [string, Code][] =>
  Object.entries(codes).filter(([, { per }]) => per !== 'store');
/** Rows (or batches) of a code behind this many slots. */
const codeRows = (code: Code, slots: number, grain: number) => (code.per === 'entry' ? slots : slots / grain);
export const codeWidth = (code: Code, headSize: number): number => code.dims(headSize).reduce((n, d) => n * d, 1);

/** Fresh, empty buffers. */
function allocate(store: Store, capacity: Int32Array, apart: boolean): void {
  const { encoding, headSize, kvHeads } = store;
  store.apart = apart;
  store.capacity = capacity;
  for (const [name, code] of rowCodes(encoding)) {
    const sizes = Array.from(capacity, (slots) => codeRows(code, slots, encoding.grain) * codeWidth(code, headSize));
    const Type = arrayType[code.type];
    if (code.joint) {
      store.codes.set(name, new Array(kvHeads).fill(new Type(Math.max(0, ...sizes))));
      continue;
    }
    const base = apart ? undefined : new Type(sizes.reduce((a, b) => a + b, 0));
    store.codes.set(
      name,
      sizes.map((n, h) => (base ? base.subarray(h * n, (h + 1) * n) : new Type(n))),
    );
  }
  const table = <A extends Int32Array | Float32Array>(
    Type: new (n: number) => A,
    fill: number,
    slots: Int32Array,
  ): A[] => {
    const base = apart ? undefined : (new Type(slots.reduce((a, b) => a + b, 0)).fill(fill) as A);
    return Array.from(slots, (n, h) => (base ? base.subarray(h * n, (h + 1) * n) : new Type(n).fill(fill)) as A);
  };
  store.entry = table(Int32Array, -1, capacity);
  store.bias = table(Float32Array, hidden, store.part === 'keys' ? capacity : new Int32Array(kvHeads));
  store.used = new Int32Array(kvHeads);
  store.free = Array.from(capacity, (n) => {
    const units: number[] = [];
    for (let slot = n - encoding.grain; slot >= 0; slot -= encoding.grain) units.push(slot);
    return units;
  });
}

/** Views of each buffer as the runtime takes it: one for all heads together, or one a head. */
export function wholeBuffer(
  views: readonly CodeArray[] | readonly Float32Array[],
  apart: boolean,
): (CodeArray | Float32Array)[] {
  if (apart) return [...views];
  const first = views[0]!;
  const length = views.reduce((n, v) => n + v.length, 0);
  const Type = first.constructor as new (b: ArrayBufferLike, o: number, n: number) => CodeArray;
  return [new Type(first.buffer, first.byteOffset, length)];
}

/** Makes room for `extra` more slots in each head; calls `moved(kvHead, entry, slot)` for entries whose slot changed. */
export function reserve(
  store: Store,
  extra: ArrayLike<number>,
  moved: (kvHead: number, entry: number, slot: number) => void,
): void {
  const { grain } = store.encoding;
  const short = Array.from(extra).some((n, h) => store.free[h]!.length * grain < n);
  if (short)
    relayout(
      store,
      Int32Array.from(store.used, (n, h) => n + Math.ceil(extra[h]! / grain) * grain),
      moved,
    );
}

/** Gives back buffers that are much larger than what is held. */
export function shrink(store: Store, moved: (kvHead: number, entry: number, slot: number) => void): void {
  const wanted = capacities(
    store,
    Int32Array.from(store.used, (n) => (n ? n + 1 : 0)),
  );
  const surplus = store.capacity.reduce((n, c, h) => n + c - wanted.capacity[h]!, 0);
  if (surplus >= 64 * store.kvHeads || (surplus > 0 && store.used.every((n) => n === 0)))
    relayout(store, store.used, moved, 1);
}

function capacities(
  { encoding: { grain, joint }, kvHeads, room }: Store,
  needed: Int32Array,
): { capacity: Int32Array; apart: boolean } {
  const round = (n: number): number => {
    // Whole batches: a step that a batch does not divide would leave part of one behind the end.
    if (room) return Math.ceil(room(n) / grain) * grain;
    const unit = Math.ceil(stepAt(n) / grain) * grain;
    return Math.ceil(n / unit) * unit;
  };
  const largest = Math.max(...needed);
  const sum = needed.reduce((a, b) => a + b, 0);
  const apart = !joint && largest > 64 && kvHeads * largest > worthApart * sum;
  return { apart, capacity: Int32Array.from(needed, (n) => round(apart ? n : largest)) };
}

/** Moves everything into new buffers that fit, in slot order and without holes. */
function relayout(
  store: Store,
  needed: Int32Array,
  moved: (kvHead: number, entry: number, slot: number) => void,
  spare = 0,
): void {
  const { encoding, headSize } = store;
  const { grain } = encoding;
  const old = { codes: new Map(store.codes), entry: store.entry, bias: store.bias };
  const { capacity, apart } = capacities(
    store,
    Int32Array.from(needed, (n) => (n && spare ? n + spare : n)),
  );
  allocate(store, capacity, apart);
  for (let h = 0; h < store.kvHeads; h++) {
    const entries = old.entry[h]!;
    for (let from = 0; from < entries.length; from += grain) {
      if (!entries.subarray(from, from + grain).some((e) => e >= 0)) continue;
      const to = store.free[h]!.pop()!;
      store.used[h]! += grain;
      for (const [name, code] of rowCodes(encoding)) {
        const width = codeWidth(code, headSize) * (code.per === 'entry' ? grain : 1);
        const source = old.codes.get(name)![h]!.subarray((from / grain) * width, (from / grain + 1) * width);
        store.codes.get(name)![h]!.set(source, (to / grain) * width);
      }
      for (let i = 0; i < grain; i++) {
        const entry = entries[from + i]!;
        store.entry[h]![to + i] = entry;
        store.bias[h]![to + i] = old.bias[h]![from + i]!;
        if (entry >= 0) moved(h, entry, to + i);
      }
    }
  }
}

/** Takes the next free slot (or batch of slots) of a head; `reserve` was called before. */
export function takeSlot(store: Store, kvHead: number): number {
  const slot = store.free[kvHead]!.pop();
  if (slot === undefined)
    throw new Error(`store: head ${kvHead} of ${store.encoding.name} is full; reserve room first`);
  store.used[kvHead]! += store.encoding.grain;
  return slot;
}

export function occupy(store: Store, kvHead: number, slot: number, entry: number, weight: number): void {
  store.entry[kvHead]![slot] = entry;
  store.bias[kvHead]![slot] = Math.log(weight);
}

/** Empties a slot: its row is wiped, and given back once its whole batch is empty. */
export function releaseSlot(store: Store, kvHead: number, slot: number): void {
  const { grain } = store.encoding;
  const entries = store.entry[kvHead]!;
  entries[slot] = -1;
  store.bias[kvHead]![slot] = hidden;
  const start = slot - (slot % grain);
  const emptied = !entries.subarray(start, start + grain).some((e) => e >= 0);
  for (const [name, code] of rowCodes(store.encoding)) {
    // What heads share goes with the last head that lets go.
    if (code.joint && store.entry.some((slots) => slots.subarray(start, start + grain).some((e) => e >= 0))) continue;
    const width = codeWidth(code, store.headSize);
    const row = code.per === 'entry' ? slot : start / grain;
    if (code.per === 'entry' || emptied) store.codes.get(name)![kvHead]!.fill(0, row * width, (row + 1) * width);
  }
  if (emptied) {
    store.free[kvHead]!.push(start);
    store.used[kvHead]! -= grain;
  }
}

export function copyStore(store: Store): Store {
  const copy: Store = {
    ...store,
    codes: new Map(),
    registers: new Map([...store.registers].map(([name, data]) => [name, data.slice()])),
    learnt: store.learnt.slice(),
    capacity: store.capacity.slice(),
    free: store.free.map((f) => [...f]),
  };
  const used = store.used.slice();
  allocate(copy, store.capacity.slice(), store.apart);
  copy.free = store.free.map((f) => [...f]);
  copy.used = used;
  for (let h = 0; h < store.kvHeads; h++) {
    for (const [name, views] of store.codes) copy.codes.get(name)![h]!.set(views[h]! as never);
    copy.entry[h]!.set(store.entry[h]!);
    copy.bias[h]!.set(store.bias[h]!);
  }
  return copy;
}

/** Bytes behind one entry in this store: payload, scales, and what names it (entry number and bias). */
export function entryBytes({
  encoding,
  headSize,
  part,
  kvHeads,
}: Store): Record<'payload' | 'scales' | 'index', number> {
  const bytes = { payload: 0, scales: 0, index: part === 'keys' ? 8 : 4 };
  for (const [, code] of rowCodes(encoding)) {
    const shared = (code.per === 'entry' ? 1 : encoding.grain) * (code.joint ? kvHeads : 1);
    bytes[code.role] += codeBytes(code, headSize) / shared;
  }
  return bytes;
}

/** A code of the store for these heads: all of them, or one. */
export function registerOf(
  { registers, kvHeads, encoding }: Store,
  name: string,
  heads: readonly number[],
): Float32Array {
  const all = registers.get(name)!;
  if (encoding.codes[name]!.joint || heads.length === kvHeads) return all;
  const width = all.length / kvHeads;
  return all.subarray(heads[0]! * width, (heads[0]! + heads.length) * width);
}

/** Bytes of the codes that belong to the store as a whole. */
export const registerBytes = ({ registers }: Store): number =>
  [...registers.values()].reduce((n, { byteLength }) => n + byteLength, 0);
/** Bytes of its short lists, one number a head. */
export const listBytes = ({ capacity, used, learnt }: Store): number =>
  capacity.byteLength + used.byteLength + learnt.byteLength;
