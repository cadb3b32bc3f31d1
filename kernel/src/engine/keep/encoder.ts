/** Encodes and restores rows through the graphs of an encoding, one session for each. */
import { codeType, type Encoding, fromHalfBits, graphBuilder } from '@kvlab/ops';
import type { Store } from '../cache/store.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Session } from '../runtime/session.ts';
import type { Tensor } from '../runtime/tensor.ts';

export interface Encoded {
  /** Each code [H, T or B, ...]; 16-bit codes are f32 that f16 can hold. */
  codes: Record<string, Float32Array | Uint8Array>;
  /** What reading gives back [H, T, D]. */
  restored: Float32Array;
}
export interface Encoder {
  /** rows [H, T, D]; T is a multiple of the encoding's grain. */
  encode(encoding: Encoding, rows: Float32Array, H: number, T: number, D: number): Promise<Encoded>;
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

export function createEncoder(runtime: Runtime): Encoder {
  const sessions = new Map<string, Promise<Session>>();
  const open = (encoding: Encoding, D: number): Promise<Session> => {
    const key = `${encoding.name}|${D}`;
    const known = sessions.get(key);
    if (known) return known;
    const g = graphBuilder(`encode ${encoding.name}`, { D }, runtime.device);
    const codes = encoding.write(g, g.input('x', 'f32', ['H', 'T', 'D']));
    for (const [name, value] of Object.entries(codes)) g.output(name, value);
    // What is stored is read back from the same values, so the error that is shown is the error that was made.
    const stored = Object.entries(codes).map(([name, value]) => [
      name,
      g.cast(value, codeType(encoding.codes[name]!, runtime.device)),
    ]);
    g.output('restored', encoding.read(g, Object.fromEntries(stored)));
    const session = runtime.create(g.encode());
    sessions.set(key, session);
    return session;
  };
  const openReader = (encoding: Encoding, D: number): Promise<Session> => {
    const key = `read ${encoding.name}|${D}`;
    const known = sessions.get(key);
    if (known) return known;
    const g = graphBuilder(key, { D, H: 1 }, runtime.device);
    const codes = Object.entries(encoding.codes).map(([name, code]) => {
      const rows = code.per === 'entry' ? 'T' : 'B';
      return [name, g.input(name, codeType(code, runtime.device), ['H', rows, ...code.dims(D)])];
    });
    g.output('rows', encoding.read(g, Object.fromEntries(codes)));
    const session = runtime.create(g.encode());
    sessions.set(key, session);
    return session;
  };
  return {
    async restore(store, kvHead) {
      const { encoding, headSize: D } = store;
      const session = await openReader(encoding, D);
      const feeds = Object.entries(encoding.codes).map(([name, code]): [string, Tensor] => {
        const data = store.codes.get(name)![kvHead]!;
        const rows = code.per === 'entry' ? store.capacity[kvHead]! : store.capacity[kvHead]! / encoding.grain;
        const dims = [1, rows, ...code.dims(D)];
        const type = codeType(code, runtime.device);
        if (type === 'f16') return [name, { type: 'float16', dims, data }];
        if (type === 'u8') return [name, { type: 'uint8', dims, data }];
        return [
          name,
          { type: 'float32', dims, data: code.type === 'half' ? Float32Array.from(data, fromHalfBits) : data },
        ];
      });
      return (await session.run(Object.fromEntries(feeds), ['rows']))['rows']!.data as Float32Array;
    },
    async encode(encoding, rows, H, T, D) {
      const session = await open(encoding, D);
      const x: Tensor = { type: 'float32', dims: [H, T, D], data: rows };
      const got = await session.run({ x }, [...Object.keys(encoding.codes), 'restored']);
      const codes = Object.keys(encoding.codes).map((name) => [name, got[name]!.data as Float32Array | Uint8Array]);
      return { codes: Object.fromEntries(codes), restored: got['restored']!.data as Float32Array };
    },
    async release() {
      for (const session of sessions.values()) await (await session).release();
      sessions.clear();
    },
  };
}
