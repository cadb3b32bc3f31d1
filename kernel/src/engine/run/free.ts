/** Free comparison: each method writes on by itself, with the same seed and sampler, and we see where it leaves the full cache. */
import type { ComparisonRecord } from '../record/comparison-record.ts';
import { bytesOf, type RunBytes } from './bytes.ts';
import { feedLane, type Lane } from './lane.ts';
import type { Stage } from './run.ts';
import { logSumExp, randomStream, type Sampler, sample } from './sampler.ts';

export interface Free {
  /** What the method wrote. */
  ids: Uint32Array;
  text: string;
  /** Index of the first token that is not the full cache's; undefined where both wrote the same. */
  divergesAt: number | undefined;
  /** After its last token. */
  bytes: RunBytes;
}

/** Lets every lane write until it ends or has written `maxTokens`; the first lane is the full cache. */
export async function writeFreely(
  lanes: readonly Lane[],
  record: ComparisonRecord,
  options: {
    maxTokens: number;
    sampler: Sampler;
    seed: number;
    signal: AbortSignal | undefined;
    onStep: ((step: number, of: number) => void) | undefined;
    /** The lanes are recorded, and their entries counted, while they write. */
    watched: boolean;
  },
  stage: Stage,
  onWritten: () => void,
): Promise<Free[]> {
  const { maxTokens, sampler, seed, signal, watched } = options;
  const { tokenizer } = lanes[0]!.sequence.model;
  const writers = lanes.map((lane) => ({
    lane: watched ? lane : { ...lane, recorder: undefined },
    random: randomStream(seed + lane.sequence.ids.length),
    ids: [] as number[],
    ended: false,
  }));
  for (let step = 0; step < maxTokens && writers.some(({ ended }) => !ended); step++) {
    for (const writer of writers) {
      const { lane, random, ids } = writer;
      if (writer.ended) continue;
      const next = sample(lane.logits, sampler, random, lane.sequence.ids);
      ids.push(next);
      record.tokens([next], tokenizer.texts([next]), step + 1, lane.index);
      writer.ended = tokenizer.ends.has(next) || step === maxTokens - 1;
      if (writer.ended) continue;
      const logProb = lane.logits[next]! - logSumExp(lane.logits);
      await feedLane(lane, next, watched ? record : undefined, { now: stage.now, signal, logProb });
    }
    onWritten();
    options.onStep?.(step + 1, maxTokens);
  }
  const full = writers[0]!.ids;
  return writers.map(({ lane, ids }) => {
    const differs = full.findIndex((id, i) => id !== ids[i]);
    const at = differs < 0 && ids.length > full.length ? full.length : differs;
    return {
      ids: Uint32Array.from(ids),
      text: tokenizer.decode(ids.filter((id) => !tokenizer.ends.has(id))),
      divergesAt: at < 0 ? undefined : at,
      bytes: bytesOf(lane.sequence),
    };
  });
}
