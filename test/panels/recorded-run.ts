/** A plausible run for tests of panels: seeded, with the shapes of SmolLM2-135M, as frames in the order a kernel sends them. */
import {
  byteParts,
  type Column,
  type ColumnName,
  type Columns,
  columnCatalogue,
  encodeFrame,
  type Frame,
  type RunInfo,
  topCount,
} from 'kvlab/frame';
import { entryRules, type Move, type RecordedMethod } from './recorded-methods.ts';
import { denseHead, recordedReads } from './recorded-reads.ts';
import { promptTexts, writtenTexts } from './recorded-text.ts';

export interface RecordedOptions {
  method?: RecordedMethod;
  steps?: number;
  seed?: number;
  layers?: number;
  queryHeads?: number;
  kvHeads?: number;
  run?: string;
  /** How often the prompt's story is told before the answer; 1 gives about 150 tokens. */
  tellings?: number;
}

export const headSize = 64;
const gone = 255;

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Frames of a whole run: the prompt, then one frame a step. The last one says `finished`. */
export function* recordedRun(options: RecordedOptions = {}): Generator<Frame> {
  const { method = 'h2o', steps = 100, seed = 1, layers = 30, queryHeads = 9, kvHeads = 3 } = options;
  const random = seeded(seed);
  const texts = [...promptTexts(options.tellings), ...writtenTexts(steps)];
  const promptLength = texts.length - steps;
  const total = texts.length;
  const rules = entryRules(method, promptLength);
  const info = infoOf(rules, { layers, queryHeads, kvHeads, promptLength, steps, seed, run: options.run ?? method });

  const worth = texts.map((t) =>
    /^[ ]?[\p{L}\p{N}]{4,}/u.test(t.text) ? 0.5 + 2 * random() ** 3 : 0.1 + 0.3 * random(),
  );
  worth[0] = 1;
  const heads = layers * kvHeads;
  const taste = Array.from({ length: heads }, () =>
    Float32Array.from({ length: total }, () => 0.2 + random() ** 4 * 3),
  );
  const sinkOf = Float32Array.from({ length: layers * queryHeads }, (_, i) => {
    const depth = Math.floor(i / queryHeads) / layers;
    return depth < 0.1 ? 0.15 * random() : depth < 0.38 ? 0.08 * random() : random() ** 0.8;
  });
  const scores = taste.map(() => new Float32Array(total));
  const received = new Float32Array(layers * queryHeads * total);
  const reads =
    method === 'quest'
      ? recordedReads({ layers, queryHeads, kvHeads, zones: rules.zones.length }, seeded(seed + 7))
      : undefined;
  const zones = { keys: new Uint8Array(heads * total).fill(gone), values: new Uint8Array(heads * total).fill(gone) };

  for (let step = 0; step <= steps; step++) {
    const seen = promptLength + step;
    const first = step === 0 ? 0 : seen - 1;
    for (let head = 0; head < heads; head++)
      for (let p = first; p < seen; p++) zones.keys[head * total + p] = zones.values[head * total + p] = 0;
    const mass = new Float32Array(layers * queryHeads);
    const entropy = new Float32Array(layers * queryHeads);
    const topPosition = new Uint32Array(layers * queryHeads * topCount);
    const topShare = new Float32Array(layers * queryHeads * topCount);
    for (let head = 0; head < heads; head++) {
      const layer = Math.floor(head / kvHeads);
      const group = queryHeads / kvHeads;
      for (let g = 0; g < group; g++) {
        const q = layer * queryHeads + (head % kvHeads) * group + g;
        const row = attentionRow(q, head, seen, step);
        mass[q] = row.slice(0, 4).reduce((a, b) => a + b, 0);
        entropy[q] = -row.reduce((sum, a) => sum + (a > 0 ? a * Math.log(a) : 0), 0);
        const order = largest(row, topCount);
        order.forEach((p, i) => {
          topPosition[q * topCount + i] = p;
          topShare[q * topCount + i] = row[p]!;
        });
        const queries = step === 0 ? promptLength : 1;
        for (let p = 0; p < seen; p++) {
          const visible = step === 0 ? queries - p : 1;
          scores[head]![p]! += (row[p]! * visible) / (step === 0 ? 2 : 1);
          received[q * total + p]! += row[p]!;
        }
      }
    }
    const moves: Move[] = [];
    for (let head = 0; head < heads; head++)
      moves.push(
        ...rules.after(
          step,
          seen,
          head,
          scores[head]!,
          zones.keys.subarray(head * total, head * total + total),
          zones.values.subarray(head * total, head * total + total),
        ),
      );

    const n = seen - first;
    const logProb = Float32Array.from({ length: n }, (_, i) =>
      first + i === 0 ? Number.NaN : -((worth[first + i]! * 2.2 * random()) ** 1.6),
    );
    const held = rules.bytes(zones, total, seen, heads);
    const columns: Columns = {
      ...column(
        'token.id',
        [n],
        Uint32Array.from({ length: n }, (_, i) => 1000 + first + i),
      ),
      ...column(
        'token.position',
        [n],
        Uint32Array.from({ length: n }, (_, i) => first + i),
      ),
      ...column('token.step', [n], new Uint32Array(n).fill(step)),
      ...column('token.logProb', [n], logProb),
      ...column(
        'token.entropy',
        [n],
        logProb.map((v) => -v * 0.7 + 0.4),
      ),
      ...column('step.index', [1], Uint32Array.of(step)),
      ...column('step.seen', [1], Uint32Array.of(seen)),
      ...column('step.ms', [1], Float32Array.of(step === 0 ? 900 : 70 + 12 * random())),
      ...eventColumns(step, moves, kvHeads),
      ...column('bytes.held', [1, rules.zones.length, byteParts.length], held),
      ...column('bytes.claimed', [1], Float64Array.of(rules.claimed(seen, heads))),
      ...column('bytes.full', [1], Float64Array.of(seen * heads * headSize * 8)),
      ...column('bytes.workspace', [1], Float64Array.of(seen * heads * 40)),
      ...column('bytes.peak', [1], Float64Array.of(promptLength * heads * headSize * 8)),
      ...column('bytes.layer', [1, layers], new Float64Array(layers).fill(held.reduce((a, b) => a + b, 0) / layers)),
      ...column('bytes.budget', [1], Float64Array.of(rules.budget(heads))),
      ...column('sink.mass', [1, layers, queryHeads], mass),
      ...column('attention.entropy', [1, layers, queryHeads], entropy),
      ...column('heavy.topPosition', [layers, queryHeads, topCount], topPosition),
      ...column('heavy.topShare', [layers, queryHeads, topCount], topShare),
      ...column('heavy.score', [layers, kvHeads, seen], rowsOf(scores, seen)),
      ...column('attention.received', [layers, queryHeads, seen], receivedShares(seen, step)),
      ...column('entry.zoneKeys', [layers, kvHeads, seen], cut(zones.keys, seen)),
      ...column('entry.zoneValues', [layers, kvHeads, seen], cut(zones.values, seen)),
      ...(info.method.quantizes ? errorColumns(seen) : {}),
      ...reads?.(step, seen, denseRow(seen, step), held),
    };
    yield encodeFrame(
      {
        type: 'frame',
        version: 1,
        run: info.run,
        seq: step,
        merged: 0,
        snapshot: step === 0,
        ...(step === 0 ? { info } : {}),
        step,
        state: step === steps ? 'finished' : 'running',
        texts: texts.slice(first, seen),
      },
      columns,
    );
  }

  function attentionRow(q: number, head: number, seen: number, step: number): Float32Array {
    const row = new Float32Array(seen);
    const drift = 0.85 + 0.3 * Math.sin(step / 7 + q) * random();
    const sink = Math.min(0.98, sinkOf[q]! * drift);
    let sum = 0;
    for (let p = 1; p < seen; p++) {
      if (zones.keys[head * total + p] === gone && step > 0) continue;
      row[p] = worth[p]! * taste[head]![p]! * (1 + 6 * Math.exp((p - seen) / 5));
      sum += row[p]!;
    }
    for (let p = 1; p < seen; p++) row[p] = (row[p]! / sum) * (1 - sink);
    row[0] = sink;
    return row;
  }

  function denseRow(seen: number, step: number): Float32Array {
    const { layer, queryHead } = denseHead;
    const kvHead = Math.floor(queryHead / (queryHeads / kvHeads));
    return attentionRow(layer * queryHeads + queryHead, layer * kvHeads + kvHead, seen, step);
  }

  function receivedShares(seen: number, step: number): Float32Array {
    const shares = new Float32Array(layers * queryHeads * seen);
    for (let q = 0; q < layers * queryHeads; q++)
      for (let p = 0; p < seen; p++)
        shares[q * seen + p] = received[q * total + p]! / (p < promptLength ? step + 1 : seen - p);
    return shares;
  }

  function rowsOf(rows: Float32Array[], seen: number): Float32Array {
    const flat = new Float32Array(rows.length * seen);
    rows.forEach((row, i) => {
      flat.set(row.subarray(0, seen), i * seen);
    });
    return flat;
  }

  function cut(table: Uint8Array, seen: number): Uint8Array {
    const flat = new Uint8Array(heads * seen);
    for (let head = 0; head < heads; head++) flat.set(table.subarray(head * total, head * total + seen), head * seen);
    return flat;
  }

  function errorColumns(seen: number): Columns {
    const draw = seeded(seed + 99);
    const channels = kvHeads * headSize;
    const channel = new Float32Array(layers * 2 * channels);
    const layerError = new Float32Array(layers * 2 * 4);
    const token = new Float32Array(layers * 2 * seen).fill(Number.NaN);
    const bits = new Uint8Array(layers * 2 * seen).fill(32);
    for (let layer = 0; layer < layers; layer++)
      for (let part = 0; part < 2; part++) {
        const base = part === 0 ? 0.25 + 0.1 * draw() : 0.08 + 0.012 * layer + 0.05 * draw();
        for (let c = 0; c < channels; c++)
          channel[(layer * 2 + part) * channels + c] =
            base * (part === 0 ? 0.25 + 3 * draw() ** 3 : 0.9 + 0.2 * draw());
        for (let p = 0; p < seen; p++) {
          const zone = (part === 0 ? zones.keys : zones.values)[layer * kvHeads * total + p]!;
          if (rules.zones[zone] !== 'body') continue;
          token[(layer * 2 + part) * seen + p] = base * (part === 0 ? 0.95 + 0.1 * draw() : 0.5 + 1.2 * draw() ** 2);
          bits[(layer * 2 + part) * seen + p] = 2;
        }
        layerError.set(
          [base ** 2, base * 6, 0.98 - base / 20, (part === 0 ? 14 : 7.5) + 2 * draw()],
          (layer * 2 + part) * 4,
        );
      }
    return {
      ...column('quantization.layer', [layers, 2, 4], layerError),
      ...column('quantization.channel', [layers, 2, channels], channel),
      ...column('quantization.token', [layers, 2, seen], token),
      ...column('quantization.bits', [layers, 2, seen], bits),
      ...column(
        'quantization.output',
        [layers, queryHeads],
        Float32Array.from({ length: layers * queryHeads }, () => 0.02 + 0.2 * draw()),
      ),
    };
  }
}

/** Positions of the largest values, largest first. */
function largest(values: ArrayLike<number>, count: number): number[] {
  const best: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (best.length === count && values[i]! <= values[best[count - 1]!]!) continue;
    let at = best.length;
    while (at > 0 && values[best[at - 1]!]! < values[i]!) at--;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}

function column(name: ColumnName, shape: number[], data: Column['data']): Columns {
  return { [name]: { lane: columnCatalogue[name].lane, shape, data } };
}

function eventColumns(step: number, moves: Move[], kvHeads: number): Columns {
  const u8 = (pick: (move: Move) => number) => Uint8Array.from(moves, pick);
  return {
    ...column('event.step', [moves.length], new Uint32Array(moves.length).fill(step)),
    ...column(
      'event.layer',
      [moves.length],
      u8((m) => Math.floor(m.head / kvHeads)),
    ),
    ...column(
      'event.kvHead',
      [moves.length],
      u8((m) => m.head % kvHeads),
    ),
    ...column(
      'event.position',
      [moves.length],
      Uint32Array.from(moves, (m) => m.position),
    ),
    ...column(
      'event.kind',
      [moves.length],
      u8((m) => (m.to === gone ? 3 : 1)),
    ),
    ...column(
      'event.part',
      [moves.length],
      u8((m) => m.part),
    ),
    ...column(
      'event.from',
      [moves.length],
      u8((m) => m.from),
    ),
    ...column(
      'event.to',
      [moves.length],
      u8((m) => m.to),
    ),
    ...column('event.into', [moves.length], new Int32Array(moves.length).fill(-1)),
    ...column(
      'event.score',
      [moves.length],
      Float32Array.from(moves, (m) => m.score),
    ),
    ...column(
      'event.rank',
      [moves.length],
      Int32Array.from(moves, (m) => m.rank),
    ),
  };
}

function infoOf(
  rules: ReturnType<typeof entryRules>,
  size: {
    layers: number;
    queryHeads: number;
    kvHeads: number;
    promptLength: number;
    steps: number;
    seed: number;
    run: string;
  },
): RunInfo {
  return {
    run: size.run,
    title: 'The ferry',
    model: {
      name: 'SmolLM2-135M',
      layers: size.layers,
      queryHeads: size.queryHeads,
      kvHeads: size.kvHeads,
      headSize,
      context: 8192,
    },
    method: rules.method,
    zones: rules.zones,
    promptLength: size.promptLength,
    maxTokens: size.steps,
    device: 'wasm, 2 threads',
    seed: size.seed,
    sinkCount: 4,
    leftOut: '',
  };
}
