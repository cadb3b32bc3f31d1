/** Ridge regression: the linear reader with the smallest squared error, weights held small. */
import { cholesky, solve } from './cholesky.ts';

/** Sums over rows that a regression needs; rows may come in many calls. */
export interface Regression {
  /** Adds rows of features with their labels: one label for each of `outputs`. */
  add(features: ArrayLike<number>, labels: ArrayLike<number>): void;
  /** For each output its weights and bias. `strength` is relative to the mean variance of the features. */
  solve(strength: number): { weights: Float64Array; bias: number }[];
}

export function regression(width: number, outputs: number): Regression {
  const n = width + 1;
  const gram = Array.from({ length: n }, () => new Float64Array(n));
  const moments = Array.from({ length: outputs }, () => new Float64Array(n));
  const row = new Float64Array(n);
  return {
    add(features, labels) {
      for (let i = 0; i < width; i++) row[i] = features[i]!;
      row[width] = 1;
      for (let i = 0; i < n; i++) {
        const [v, sums] = [row[i]!, gram[i]!];
        for (let j = 0; j <= i; j++) sums[j]! += v * row[j]!;
        for (let o = 0; o < outputs; o++) moments[o]![i]! += v * labels[o]!;
      }
    },
    solve(strength) {
      const size = gram.slice(0, width).reduce((sum, sums, i) => sum + sums[i]!, 0) / Math.max(1, width);
      const added = strength * (size || 1);
      const full = gram.map((sums, i) =>
        sums.map((_, j) => (j <= i ? sums[j]! : gram[j]![i]!) + (i === j ? (i < width ? added : 1e-9) : 0)),
      );
      const lower = cholesky(full);
      return moments.map((moment) => {
        const found = solve(lower, moment);
        return { weights: found.slice(0, width), bias: found[width]! };
      });
    },
  };
}
