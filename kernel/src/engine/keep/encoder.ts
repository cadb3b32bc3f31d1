/** Encodes and restores rows through the graphs of an encoding, one session for each. */
import {
  asksQueries,
  type Code,
  codeAxes,
  codesOfStore,
  codeType,
  type Encoding,
  fromHalfBits,
  type GraphBuilder,
  graphBuilder,
  type Value,
} from '@kvlab/ops';
import { registerOf, type Store } from '../cache/store.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Session } from '../runtime/session.ts';
import type { Tensor } from '../runtime/tensor.ts';

export interface Encoded {
  /** Each code [H, T or B, ...]; 16-bit codes are f32 that f16 can hold. Codes of the store are those that were learnt. */
  codes: Record<string, Float32Array | Uint8Array>;
  /** What reading gives back [H, T, D], where it was asked for. */
  restored: Float32Array | undefined;
}
export interface RowsToEncode {
  /** [H, T, D]; T is a multiple of the encoding's grain. */
  rows: Float32Array;
  H: number;
  T: number;
  D: number;
  /** Codes of the store for each head [H, ...] (one for all where the encoding writes its heads together and the code is
   *  joint): those of fits and, once they are known, those that were learnt. */
  known: Readonly<Record<string, Float32Array>>;
  /** Largest |query| of each channel [H, D], for a first write that learns from it. */
  queryPeaks?: Float32Array;
  /** The rows are read back too, which takes as long as to write them. */
  restores: boolean;
}
export interface Encoder {
  encode(encoding: Encoding, input: RowsToEncode): Promise<Encoded>;
  /** All rows of one head of a store [slots, D], empty slots included. */
  restore(store: Store, kvHead: number): Promise<Float32Array>;
  release(): Promise<void>;
}

const known = new WeakMap<Runtime, Encoder>();

/** The encoder that all caches of a runtime share; its sessions are released with the runtime. */
export function encoderOf(runtime: Runtime): Encoder {
  const encoder = known.get(runtime) ?? createEncoder(runtime);
  known.set(runtime, encoder);
  return encoder;
}

/** Axes of a code of the store as it is given with rows. Heads of several layers are encoded in one call, so that a code which
 *  the heads of a layer share is given for each of them. */
const knownAxes = (encoding: Encoding, code: Code, heads: string | number, D: number) =>
  codeAxes({ ...code, joint: encoding.joint && code.joint }, heads, '', D);

/** True where the first rows still have to teach the codes of the store. */
const mustLearn = ({ codes, learn }: Encoding, given: object): boolean =>
  learn !== undefined && codesOfStore(codes).some(([name]) => !(name in given));

export function createEncoder(runtime: Runtime): Encoder {
  const sessions = new Map<string, Promise<Session>>();
  const open = (key: string, build: () => GraphBuilder): Promise<Session> => {
    const session = sessions.get(key) ?? runtime.create(build().encode());
    sessions.set(key, session);
    return session;
  };
  const stored = (encoding: Encoding, codes: Record<string, Value>, g: GraphBuilder): Record<string, Value> =>
    Object.fromEntries(
      Object.entries(codes).map(([name, value]) => [name, g.cast(value, codeType(encoding.codes[name]!, g.device))]),
    );
  const writer =
    (encoding: Encoding, { H, D, restores }: RowsToEncode, given: readonly string[], learns: boolean) =>
    () => {
      const g = graphBuilder(`encode ${encoding.name}`, { D, ...(encoding.joint ? { H } : {}) }, runtime.device);
      const x = g.input('x', 'f32', ['H', 'T', 'D']);
      const knowns = Object.fromEntries(
        given.map((name) => [
          name,
          g.input(`known.${name}`, 'f32', knownAxes(encoding, encoding.codes[name]!, 'H', D)),
        ]),
      );
      const peaks = learns && asksQueries(encoding) ? g.input('queryPeaks', 'f32', ['H', 'D']) : undefined;
      const learnt = learns ? encoding.learn!(g, x, knowns, { queryPeaks: peaks }) : {};
      const ofStore = { ...knowns, ...learnt };
      const codes = encoding.write(g, x, ofStore);
      for (const [name, value] of Object.entries({ ...learnt, ...codes })) g.output(name, value);
      // What is stored is read back from the same values, so the error that is shown is the error that was made.
      if (restores) g.output('restored', encoding.read(g, { ...ofStore, ...stored(encoding, codes, g) }));
      return g;
    };
  const reader = (encoding: Encoding, H: number, D: number) => () => {
    const g = graphBuilder(`read ${encoding.name}`, { D, H }, runtime.device);
    const codes = Object.entries(encoding.codes).map(([name, code]) => {
      const axes = codeAxes<string | number>(code, 'H', code.per === 'entry' ? 'T' : 'B', D);
      return [name, g.input(name, codeType(code, runtime.device), axes)];
    });
    g.output('rows', encoding.read(g, Object.fromEntries(codes)));
    return g;
  };
  return {
    async restore(store, kvHead) {
      const { encoding, headSize: D } = store;
      // Rows that heads share are read for all of them.
      const heads = encoding.joint ? store.capacity.map((_, h) => h) : Int32Array.of(kvHead);
      const session = await open(`read ${encoding.name}|${heads.length}|${D}`, reader(encoding, heads.length, D));
      const slots = store.capacity[kvHead]!;
      const feeds = Object.entries(encoding.codes).map(([name, code]): [string, Tensor] => {
        const rows = code.per === 'entry' ? slots : slots / encoding.grain;
        const dims = codeAxes(code, heads.length, rows, D);
        const data = code.per === 'store' ? registerOf(store, name, [...heads]) : rowsOfHeads(store, name, heads);
        const type = codeType(code, runtime.device);
        if (type === 'f16') return [name, { type: 'float16', dims, data }];
        if (type === 'u8') return [name, { type: 'uint8', dims, data }];
        const floats = code.type === 'half' ? Float32Array.from(data, fromHalfBits) : data;
        return [name, { type: 'float32', dims, data: floats }];
      });
      const rows = (await session.run(Object.fromEntries(feeds), ['rows'])).rows!.data as Float32Array;
      return encoding.joint ? rows.subarray(kvHead * slots * D, (kvHead + 1) * slots * D) : rows;
    },
    async encode(encoding, input) {
      const { rows, H, T, D, known: given, queryPeaks, restores } = input;
      const learns = mustLearn(encoding, given);
      const names = Object.keys(given).sort();
      const key = `${encoding.name}|${encoding.joint ? H : ''}|${D}|${names.join()}|${learns}|${restores}`;
      const session = await open(key, writer(encoding, input, names, learns));
      const feeds: Record<string, Tensor> = { x: { type: 'float32', dims: [H, T, D], data: rows } };
      for (const name of names)
        feeds[`known.${name}`] = {
          type: 'float32',
          dims: knownAxes(encoding, encoding.codes[name]!, H, D) as number[],
          data: given[name]!,
        };
      if (session.inputs.includes('queryPeaks')) {
        if (!queryPeaks)
          throw new Error(
            `${encoding.name}: it learns from the queries of the prompt, and none were seen; feed a prompt`,
          );
        feeds['queryPeaks'] = { type: 'float32', dims: [H, D], data: queryPeaks };
      }
      const used = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputs.includes(name)));
      const wanted = Object.keys(encoding.codes).filter((name) => !(name in given));
      const got = await session.run(used, restores ? [...wanted, 'restored'] : wanted);
      const codes = wanted.map((name) => [name, got[name]!.data as Float32Array | Uint8Array]);
      return { codes: Object.fromEntries(codes), restored: got.restored?.data as Float32Array | undefined };
    },
    async release() {
      for (const session of sessions.values()) await (await session).release();
      sessions.clear();
    },
  };
}

/** The rows of a code for one head, or for all heads of a store that they share. */
function rowsOfHeads(store: Store, name: string, heads: Int32Array) {
  const views = store.codes.get(name)!;
  if (heads.length === 1 || store.encoding.codes[name]!.joint) return views[heads[0]!]!;
  const width = views[0]!.length;
  const Type = views[0]!.constructor as new (n: number) => (typeof views)[number];
  const all = new Type(heads.length * width);
  for (const [i, h] of heads.entries()) all.set(views[h]! as never, i * width);
  return all;
}
