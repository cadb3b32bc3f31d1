/** The best chunks: neighbouring entries stay or leave together, by their mean score.
 *
 *  Liu et al. 2025, "ChunkKV", arXiv:2502.00299. Chunks are cut by absolute position, so that what stays keeps its chunk. */
import type { Rule } from './rule.ts';

/** Whole chunks of `length` positions while they fit into the amount; of equal means the earlier one. Where not even the
 *  best fits, its first entries. With `by: 'chunks'` a chunk that is not full takes as much of the amount as a full one. */
export function topChunks(length: number, { by = 'entries' }: { by?: 'entries' | 'chunks' } = {}): Rule {
  if (!(Number.isInteger(length) && length >= 1))
    throw new RangeError(`top-chunks: length is ${length}; give a whole number of entries from 1`);
  const name = `top chunks of ${length}`;
  return {
    name,
    title: name,
    byPosition: false,
    needsScore: true,
    choose: ({ count, open, position, score }, amount, taken) => {
      const chunks = new Map<number, { at: number; entries: number[]; sum: number }>();
      for (let i = 0; i < count; i++) {
        if (!open[i]) continue;
        const at = Math.floor(position[i]! / length);
        const chunk = chunks.get(at) ?? { at, entries: [], sum: 0 };
        chunks.set(at, chunk);
        chunk.entries.push(i);
        chunk.sum += score[i]!;
      }
      const mean = (chunk: { entries: number[]; sum: number }) => chunk.sum / chunk.entries.length;
      const best = [...chunks.values()].sort((a, b) => mean(b) - mean(a) || a.at - b.at);
      let left = amount;
      for (const [rank, { entries }] of best.entries()) {
        const cost = by === 'chunks' ? length : entries.length;
        if (cost > left && rank > 0) break;
        entries.sort((a, b) => position[a]! - position[b]!);
        for (const i of entries.slice(0, left)) taken[i] = 1;
        left -= cost;
      }
    },
  };
}
