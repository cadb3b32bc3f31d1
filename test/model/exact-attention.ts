/** A whole model with plain attention: float64 loops over all keys of an ordinary cache. The oracle of these tests. */
import type { Model } from '../../kernel/src/engine/model/load.ts';

export interface Oracle {
  /** Feeds tokens behind those fed before, and gives logits [Q, V] or [1, V]. */
  feed(ids: Uint32Array, rows: 'all' | 'last'): Promise<Float32Array>;
  /** Mean attention of all tokens but the first to position 0, per layer and query head. */
  attentionOnFirst(): number[][];
}

export function exactAttention(model: Model): Oracle {
  const { layers, queryHeads, kvHeads, group, headSize } = model.config;
  const keys = Array.from({ length: layers }, () => Array.from({ length: kvHeads }, (): Float64Array[] => []));
  const values = Array.from({ length: layers }, () => Array.from({ length: kvHeads }, (): Float64Array[] => []));
  const onFirst = Array.from({ length: layers }, () => new Float64Array(queryHeads));
  let held = 0;

  /** Row of `data` as float64, its pairs (2i, 2i+1) turned to `position`. */
  function rotated(data: Float32Array, row: number, position: number): Float64Array {
    const from = row * headSize;
    const out = new Float64Array(headSize);
    model.config.ropeFrequencies.forEach((frequency, pair) => {
      const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
      const [even, odd] = [data[from + 2 * pair]!, data[from + 2 * pair + 1]!];
      out[2 * pair] = even * cos - odd * sin;
      out[2 * pair + 1] = even * sin + odd * cos;
    });
    return out;
  }

  function attend(layer: number, queries: Float32Array, count: number): Float32Array {
    const output = new Float32Array(queryHeads * count * headSize);
    for (let head = 0; head < queryHeads; head++) {
      const [past, content] = [keys[layer]![Math.floor(head / group)]!, values[layer]![Math.floor(head / group)]!];
      for (let i = 0; i < count; i++) {
        const query = rotated(queries, head * count + i, held + i);
        const visible = held + i + 1;
        const weights = new Float64Array(visible);
        for (let t = 0; t < visible; t++) {
          const key = past[t]!;
          let sum = 0;
          for (let d = 0; d < headSize; d++) sum += query[d]! * key[d]!;
          weights[t] = sum;
        }
        const most = weights.reduce((a, b) => Math.max(a, b));
        let total = 0;
        for (let t = 0; t < visible; t++) total += weights[t] = Math.exp(weights[t]! - most);
        const sums = new Float64Array(headSize);
        for (let t = 0; t < visible; t++) {
          const [share, value] = [weights[t]! / total, content[t]!];
          for (let d = 0; d < headSize; d++) sums[d]! += share * value[d]!;
        }
        output.set(sums, (head * count + i) * headSize);
        if (held + i > 0) onFirst[layer]![head]! += weights[0]! / total;
      }
    }
    return output;
  }

  return {
    async feed(ids, rows) {
      let x = model.embed(ids);
      let output: Float32Array | undefined;
      for (let layer = 0; layer < layers; layer++) {
        const projected = await model.project(layer, x, output, ids.length);
        for (let head = 0; head < kvHeads; head++)
          for (let i = 0; i < ids.length; i++) {
            const row = head * ids.length + i;
            keys[layer]![head]!.push(rotated(projected.keys, row, held + i));
            const from = row * headSize;
            values[layer]![head]!.push(Float64Array.from(projected.values.subarray(from, from + headSize)));
          }
        output = attend(layer, projected.queries, ids.length);
        x = projected.x;
      }
      held += ids.length;
      return model.finish(x, output!, ids.length, rows);
    },
    attentionOnFirst: () => onFirst.map((sums) => Array.from(sums, (sum) => sum / (held - 1))),
  };
}

/** Negative log-likelihood of `id` in row `row` of logits [n, V]. */
export function nll(logits: Float32Array, row: number, vocabulary: number, id: number): number {
  const part = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
  const most = part.reduce((a, b) => Math.max(a, b));
  return most + Math.log(part.reduce((sum, v) => sum + Math.exp(v - most), 0)) - part[id]!;
}

/** Place of the largest value of a row, the first of equals. */
export function best(logits: Float32Array, row: number, vocabulary: number): number {
  let found = row * vocabulary;
  for (let i = found + 1; i < (row + 1) * vocabulary; i++) if (logits[i]! > logits[found]!) found = i;
  return found - row * vocabulary;
}

/** Largest absolute difference of two lists of one length. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const apart = Math.abs(a[i]! - b[i]!);
    if (!(apart <= most)) most = apart;
  }
  return most;
}
