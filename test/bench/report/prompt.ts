/** Token ids and run facts for benchmarks: what is read does not matter there, only how much. */
import type { Method } from '@kvlab/ops';
import type { RunInfo } from 'kvlab/frame';

/** Seeded ids spread over the vocabulary, special tokens left out. */
export function benchIds(count: number, vocabulary: number): number[] {
  return Array.from({ length: count }, (_, i) => 100 + ((i * 7919) % (vocabulary - 200)));
}

export function benchInfo(method: Method, promptLength: number): RunInfo {
  return {
    run: 'bench',
    title: 'bench',
    model: { name: 'SmolLM2', layers: 30, queryHeads: 9, kvHeads: 3, headSize: 64, context: 8192 },
    method: { name: method.name, setting: '', paper: '', slots: method.slots, quantizes: false, departures: [] },
    zones: method.zones,
    promptLength,
    maxTokens: 0,
    device: 'wasm',
    seed: 0,
    sinkCount: 4,
    leftOut: '',
  };
}
