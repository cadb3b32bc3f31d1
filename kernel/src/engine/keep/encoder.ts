/** Encodes and restores rows through the graphs of an encoding, one session for each. */
import { codeType, type Encoding, graphBuilder } from '@kvlab/ops';
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
  release(): Promise<void>;
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
  return {
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
