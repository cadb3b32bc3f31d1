/** A made-up snapshot of any length, all columns filled from a seed: entries leave at random, nothing else is meant. */
import {
  byteParts,
  type ColumnName,
  type Columns,
  columnCatalogue,
  encodeFrame,
  eventKinds,
  type Frame,
  type RunInfo,
  type TokenText,
  topCount,
} from 'kvlab/frame';
import { seeded } from '../panels/recorded-run.ts';

export interface SyntheticOptions {
  promptTokens?: number;
  writtenTokens?: number;
  layers?: number;
  queryHeads?: number;
  kvHeads?: number;
  /** Entries that each head drops after each step. */
  evictions?: number;
  quantizes?: boolean;
  seed?: number;
  texts?: readonly TokenText[];
  state?: 'finished' | 'interrupted' | 'failed';
}

const gone = 255;

export function syntheticRun(options: SyntheticOptions = {}): Frame {
  const { promptTokens = 24, writtenTokens = 16, layers = 3, queryHeads = 4, kvHeads = 2, seed = 1 } = options;
  const { evictions = 1, quantizes = false, state = 'finished' } = options;
  const random = seeded(seed);
  const tokens = promptTokens + writtenTokens;
  const steps = writtenTokens + 1;
  const zones = ['fresh', 'recent', 'heavy'];
  const heads = layers * kvHeads;
  const columns: Columns = {};
  const put = (name: ColumnName, shape: number[], value: (index: number) => number) => {
    const { lane, type } = columnCatalogue[name];
    const size = shape.reduce((product, n) => product * n, 1);
    columns[name] = { lane, shape, data: new arrays[type](Array.from({ length: size }, (_, i) => value(i))) };
  };

  put('token.id', [tokens], (i) => 100 + i);
  put('token.position', [tokens], (i) => i);
  put('token.step', [tokens], (i) => Math.max(0, i - promptTokens + 1));
  put('token.logProb', [tokens], (i) => (i === 0 ? Number.NaN : -3 * random()));
  put('token.entropy', [tokens], (i) => (i === 0 ? Number.NaN : 2 * random()));
  put('step.index', [steps], (i) => i);
  put('step.seen', [steps], (i) => promptTokens + i);
  put('step.ms', [steps], (i) => (i === 0 ? 400 : 20 + random()));

  const events: { step: number; head: number; position: number; from: number; to: number }[] = [];
  const dropped = Array.from({ length: heads }, () => new Set<number>());
  for (let step = 0; step < steps; step++)
    for (let head = 0; head < heads; head++) {
      if (step > 0) events.push({ step, head, position: promptTokens + step - 1, from: 0, to: 1 });
      for (let n = 0; n < evictions; n++) {
        const position = Math.floor(random() * (promptTokens + step));
        if (dropped[head]!.has(position)) continue;
        dropped[head]!.add(position);
        events.push({ step, head, position, from: 1, to: gone });
      }
    }
  const E = events.length;
  put('event.step', [E], (i) => events[i]!.step);
  put('event.layer', [E], (i) => Math.floor(events[i]!.head / kvHeads));
  put('event.kvHead', [E], (i) => events[i]!.head % kvHeads);
  put('event.position', [E], (i) => events[i]!.position);
  put('event.kind', [E], (i) => eventKinds.indexOf(events[i]!.to === gone ? 'leave' : 'move'));
  put('event.part', [E], () => 2);
  put('event.from', [E], (i) => events[i]!.from);
  put('event.to', [E], (i) => events[i]!.to);
  put('event.into', [E], () => -1);
  put('event.score', [E], () => random());
  put('event.rank', [E], (i) => i % 40);

  const rowBytes = 64 * 4 * heads;
  put('bytes.held', [steps, zones.length, byteParts.length], (i) => (i % byteParts.length < 2 ? rowBytes * 8 : 0));
  put('bytes.claimed', [steps], () => rowBytes * 20);
  put('bytes.full', [steps], (i) => (promptTokens + i) * rowBytes * 2);
  put('bytes.workspace', [steps], () => 4096);
  put('bytes.peak', [steps], () => promptTokens * rowBytes * 2);
  put('bytes.layer', [steps, layers], () => (rowBytes * 48) / layers);
  put('bytes.budget', [steps], () => Number.NaN);
  put('sink.mass', [steps, layers, queryHeads], () => random());
  put('attention.entropy', [steps, layers, queryHeads], () => 3 * random());
  put('heavy.topPosition', [layers, queryHeads, topCount], () => Math.floor(random() * tokens));
  put('heavy.topShare', [layers, queryHeads, topCount], () => random());
  put('heavy.score', [layers, kvHeads, tokens], () => random());
  put('attention.received', [layers, queryHeads, tokens], () => random());
  const zoneOf = (i: number) => (dropped[Math.floor(i / tokens)]!.has(i % tokens) ? gone : 1);
  put('entry.zoneKeys', [layers, kvHeads, tokens], zoneOf);
  put('entry.zoneValues', [layers, kvHeads, tokens], zoneOf);
  if (quantizes) {
    put('quantization.layer', [layers, 2, 4], (i) => (i % 4 === 3 ? (i % 8 < 4 ? 14 : 8) : 0.1));
    put('quantization.channel', [layers, 2, kvHeads * 64], () => random());
    put('quantization.token', [layers, 2, tokens], () => random());
    put('quantization.bits', [layers, 2, tokens], () => 2);
    put('quantization.output', [layers, queryHeads], () => 0.12);
  }
  const words = Array.from({ length: tokens }, (_, i) => options.texts?.[i] ?? { text: ` word${i % 17}` });
  return encodeFrame(
    {
      type: 'frame',
      version: 1,
      run: 'synthetic',
      seq: 0,
      merged: 0,
      snapshot: true,
      info: infoOf({ promptTokens, writtenTokens, layers, queryHeads, kvHeads, seed, zones, quantizes }),
      step: steps - 1,
      state,
      texts: words,
    },
    columns,
  );
}

const arrays = {
  f32: Float32Array,
  f64: Float64Array,
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  i32: Int32Array,
} as const;

function infoOf(
  size: Required<
    Pick<SyntheticOptions, 'promptTokens' | 'writtenTokens' | 'layers' | 'queryHeads' | 'kvHeads' | 'seed'>
  > & { zones: string[]; quantizes: boolean },
): RunInfo {
  const { layers, queryHeads, kvHeads } = size;
  return {
    run: 'synthetic',
    title: 'A made-up run',
    model: { name: 'TinyModel', layers, queryHeads, kvHeads, headSize: 64, context: 8192 },
    method: {
      name: 'random',
      setting: 'drops entries at random',
      paper: '',
      slots: [],
      quantizes: size.quantizes,
      departures: [],
    },
    zones: size.zones,
    promptLength: size.promptTokens,
    maxTokens: size.writtenTokens,
    device: 'wasm, 2 threads',
    seed: size.seed,
    sinkCount: 4,
    leftOut: '',
  };
}
