/** Leverage: a key that no combination of the others can stand for is worth keeping.
 *
 *  Chari and Van Durme 2025, "Compactor", arXiv:2507.08143, and NVIDIA kvpress. Keys before rotary, centred over entries, are
 *  projected to `rank` random directions; the leverage of row x is x (XᵀX + jitter I)⁻¹ xᵀ; scaled to mean 0, deviation 1. */
import { cholesky, solveLower } from '../algebra/cholesky.ts';
import { eachHead, rowsOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count, number } from '../params.ts';
import { held } from './columns.ts';
import { hashedUniform } from './random-score.ts';

export const leverage = operator({
  name: 'leverage',
  kind: 'score',
  scope: 'head',
  title: ({ rank }) => `leverage of keys, ${rank} directions`,
  paper: 'arXiv:2507.08143',
  departures: ['the random directions follow from the seed'],
  params: {
    rank: count({ default: 48, min: 1, unit: 'directions', note: 'size of the random projection' }),
    jitter: number({ default: 0.01, min: 0, note: 'added to the diagonal; ten times more where that is too little' }),
  },
  needs: () => [{ of: 'keys', rotated: false }],
  inputs: { keys: held },
  outputs: { score: f32(['Hkv', 'T']) },

  reference({ keys }, { rank, jitter }, { seed }) {
    const [Hkv, T] = keys!.dims as [number, number];
    const score = eachHead(Hkv, T, (h) => {
      const rows = rowsOf(keys!, h);
      const means = (rows[0] ?? []).map((_, d) => sumOf(rows.map((row) => row[d]!)) / T);
      const directions = means.map((_, d) =>
        Array.from({ length: rank }, (_, r) => normal(seed, d, r) / Math.sqrt(rank)),
      );
      const projected = rows.map((row) =>
        Float64Array.from({ length: rank }, (_, r) => sumOf(row.map((v, d) => (v - means[d]!) * directions[d]![r]!))),
      );
      const leverages = leverageOf(projected, rank, jitter);
      const mean = sumOf(leverages) / T;
      const deviation = Math.sqrt(sumOf(leverages.map((v) => (v - mean) ** 2)) / Math.max(1, T - 1));
      return leverages.map((v) => (deviation > 0 ? (v - mean) / deviation : 0));
    });
    return { score };
  },

  example: {
    // In one direction, keys 1, 1, 1 and 5: centred -1, -1, -1, 3, squares 1, 1, 1, 9.
    inputs: { keys: [[[1], [1], [1], [5]]] },
    params: { rank: 1, jitter: 0 },
    outputs: { score: [[-0.5, -0.5, -0.5, 1.5]] },
  },
});

function leverageOf(rows: readonly Float64Array[], rank: number, jitter: number): number[] {
  const gram = Array.from({ length: rank }, () => new Float64Array(rank));
  for (const row of rows)
    for (let i = 0; i < rank; i++) for (let j = 0; j < rank; j++) gram[i]![j]! += row[i]! * row[j]!;
  const most = Math.max(...gram.map((row, i) => row[i]!));
  if (most === 0) return rows.map(() => 0);
  for (let added = jitter || 1e-12 * most; ; added *= 10) {
    const raised = gram.map((row, i) => row.map((v, j) => (i === j ? v + added : v)));
    try {
      const lower = cholesky(raised);
      return rows.map((row) => solveLower(lower, row).reduce((sum, v) => sum + v * v, 0));
    } catch (error) {
      if (added > most) throw error;
    }
  }
}

/** A number of the standard normal distribution. */
function normal(seed: number, d: number, r: number): number {
  const [u, v] = [hashedUniform(seed, d, r, 1), hashedUniform(seed, d, r, 2)];
  return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);
}
