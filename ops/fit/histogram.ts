/** A weighted histogram on -1 to 1, and the levels that stand for it with the least squared error. */

export interface Histogram {
  /** Numbers outside -1 to 1 are left out. */
  add(value: number, weight: number): void;
  /** Middle, weight and count of each bin that was hit. */
  bins(): { value: number; weight: number; count: number }[];
}

const size = 4096;

export function histogram(): Histogram {
  const weights = new Float64Array(size);
  const counts = new Float64Array(size);
  return {
    add(value, weight) {
      if (!(value >= -1 && value <= 1)) return;
      const bin = Math.min(size - 1, Math.floor(((value + 1) / 2) * size));
      weights[bin]! += weight;
      counts[bin]!++;
    },
    bins: () =>
      Array.from(weights, (weight, i) => ({ value: (2 * (i + 0.5)) / size - 1, weight, count: counts[i]! })).filter(
        ({ count }) => count > 0,
      ),
  };
}

/** Weighted k-means in one dimension from evenly spaced levels. With `qNorm`, levels are stretched so that what is coded has
 *  mean and spread of what was seen. */
export function levelsOf(seen: Histogram, levels: number, qNorm: boolean, rounds = 50): number[] {
  const bins = seen.bins();
  let centres = Array.from({ length: levels }, (_, i) => (2 * (i + 0.5)) / levels - 1);
  for (let round = 0; round < rounds; round++) {
    const sums = centres.map(() => ({ value: 0, weight: 0 }));
    for (const { value, weight } of bins) {
      const sum = sums[nearestOf(centres, value)]!;
      sum.value += weight * value;
      sum.weight += weight;
    }
    const moved = centres.map((c, i) => (sums[i]!.weight > 0 ? sums[i]!.value / sums[i]!.weight : c));
    if (moved.every((c, i) => c === centres[i])) break;
    centres = moved;
  }
  if (!qNorm) return centres;
  const before = spread(bins.map(({ value, count }) => [value, count]));
  const after = spread(bins.map(({ value, count }) => [centres[nearestOf(centres, value)]!, count]));
  return centres.map((c) =>
    after.deviation ? ((c - after.mean) * before.deviation) / after.deviation + before.mean : c,
  );
}

/** Index of the nearest of ascending centres; halfway the lower one. */
export function nearestOf(centres: readonly number[], value: number): number {
  let best = 0;
  while (best + 1 < centres.length && value > (centres[best]! + centres[best + 1]!) / 2) best++;
  return best;
}

function spread(numbers: readonly (readonly [number, number])[]): { mean: number; deviation: number } {
  const count = numbers.reduce((n, [, c]) => n + c, 0) || 1;
  const mean = numbers.reduce((sum, [v, c]) => sum + c * v, 0) / count;
  return { mean, deviation: Math.sqrt(numbers.reduce((sum, [v, c]) => sum + c * (v - mean) ** 2, 0) / count) };
}
