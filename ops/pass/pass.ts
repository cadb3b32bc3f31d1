/** Passes: extra runs over tokens, before the prompt or after entries left a hole. */
import type { Bound } from '../operator.ts';
import type { Tensor } from '../tensor.ts';

/** What a pass may ask for. Each run has a cache of its own, which is released when it ends. */
export interface Runner {
  /** Runs tokens through the first `layers` layers and gives what a score says of each token [T]: the largest of the layers
   *  from `from` on, counted from 1; of the last one alone unless said. */
  score(tokens: Int32Array, o: { layers: number; from?: number; score: Bound }): Promise<Tensor>;
  /** Continues the tokens by `count` tokens, greedily, with another method: a draft. */
  write(tokens: Int32Array, count: number, o: { method: unknown }): Promise<Int32Array>;
}
export interface Pass extends Bound {
  /** The tokens to run instead of the prompt; positions start at 0 again. Guests follow them, are seen by scores that ask for
   *  guests, and their entries leave at the end of the prompt, as does the last prompt token, which is fed once more. */
  readonly before?: (prompt: Int32Array, runner: Runner) => Promise<{ tokens: Int32Array; guests?: Int32Array }>;
  /** Positions to run once more after the entries of `from` up to `to` have left. */
  readonly after?: (hole: { from: number; to: number }, end: number) => { from: number; to: number };
}
