/** Random numbers that are the same in every run. */

export interface Seeded {
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number in from .. to, both included. */
  whole(from: number, to: number): number;
  /** Numbers in [-1, 1) that f32 holds. */
  row(length: number): Float32Array;
  shuffled<Item>(items: readonly Item[]): Item[];
}

/** A stream of its own for each seed (xorshift32). */
export function seeded(seed: number): Seeded {
  let state = (seed * 2654435761 + 88675123) >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 32;
  };
  const whole = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    whole,
    row: (length) => Float32Array.from({ length }, () => next() * 2 - 1),
    shuffled(items) {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = whole(0, i);
        [out[i], out[j]] = [out[j]!, out[i]!];
      }
      return out;
    },
  };
}
