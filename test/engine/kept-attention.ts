/** Plain float64 attention over exactly what each head keeps, in lock step with the engine: its oracle.
 *
 *  It takes the engine's word only for which entries are kept and what rows were packed to; rotation, windows, positions
 *  that close up, softmax and accumulated attention are computed anew from the model's projections. */
import { fittedTensor, fromHalfBits, toHalfBits } from '@kvlab/ops';
import { keptPositions } from '../../kernel/src/engine/cache/layer.ts';
import type { Model, Projection } from '../../kernel/src/engine/model/load.ts';
import type { Sequence } from '../../kernel/src/engine/run/sequence.ts';
import type { LayerView, StepObserver } from '../../kernel/src/engine/run/step-observer.ts';

interface Row {
  position: number;
  key: Float64Array;
  /** The key carries the angle of its position already. */
  turned: boolean;
  value: Float64Array;
  /** Tokens that the row stands for. */
  weight: number;
  /** A gate let it pass; the others are seen only while they are recent. */
  passed: boolean;
  /** Stands for tokens that left. */
  mean?: boolean;
  /** Attention received so far, summed over the query heads of the group. */
  received: number;
}
export interface KeptAttention {
  /** A model like the given one whose projections the oracle reads as they pass. */
  model: Model;
  observe(sequence: Sequence): StepObserver;
  /** After a keep pass: forgets what left, and compares accumulated attention where the method keeps it. */
  settle(sequence: Sequence): void;
  /** Largest differences so far, relative to the largest number compared. */
  readonly outputApart: number;
  readonly scoreApart: number;
  readonly compared: number;
}

export function keptAttention(model: Model): KeptAttention {
  const { layers, kvHeads, group, headSize: D, ropeFrequencies } = model.config;
  const held: Row[][][] = Array.from({ length: layers }, () => Array.from({ length: kvHeads }, (): Row[] => []));
  const projected: Projection[] = [];
  const largest = { output: 0, score: 0 };
  const most = { output: 0, score: 0 };
  let compared = 0;
  const compare = (what: 'output' | 'score', found: number, expected: number): void => {
    largest[what] = Math.max(largest[what], Math.abs(expected));
    const difference = Math.abs(found - expected);
    if (!(difference <= most[what])) most[what] = difference;
    compared++;
  };

  const turn = (row: Float64Array, position: number): Float64Array => {
    const out = new Float64Array(D);
    ropeFrequencies.forEach((frequency, pair) => {
      const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
      const [even, odd] = [row[2 * pair]!, row[2 * pair + 1]!];
      out[2 * pair] = even * cos - odd * sin;
      out[2 * pair + 1] = even * sin + odd * cos;
    });
    return out;
  };
  const rowOf = (data: Float32Array, row: number): Float64Array =>
    Float64Array.from(data.subarray(row * D, (row + 1) * D));

  /** What the gate of Attention-Gate says of a new token; true for every other method. */
  function passes({ method, fitted }: Sequence, layer: number, kvHead: number, q: number, position: number): boolean {
    if (!method.when.includes('before attention') || position < 1) return true;
    const { score } = method.declaration;
    const [gate, bias] = ['gate', 'bias'].map((name) => fittedTensor('oracle', fitted, score.fits![0]!, name));
    const X = gate!.dims[2]!;
    const hidden = projected[layer]!.hidden!.subarray(q * X, (q + 1) * X);
    return hidden.reduce((sum, v, x) => sum + v * gate!.get(layer, kvHead, x), bias!.get(layer, kvHead)) > 0;
  }

  function attend(sequence: Sequence, view: LayerView, windows: Windows | undefined): void {
    const { layer, position, queries, output } = view;
    const Q = position.length;
    const closesUp = !sequence.method.declaration.attend.ruleOf('fresh').storesRotated;
    const { attend: rules, score } = sequence.method.declaration;
    const window = score.operator.name === 'local-mass' ? Number(score.params['window']) : Number.POSITIVE_INFINITY;
    const unjudged = sequence.method.declaration.select.keys.find(({ zone }) => zone === 'recent')?.rule.amount ?? 0;
    for (let h = 0; h < kvHeads; h++) {
      const rows = held[layer]![h]!;
      const read = view.cache.tables[h]!;
      const zoneOf = new Map(Array.from({ length: read.count }, (_, e) => [read.position[e]!, read.zone.keys[e]!]));
      /** The one distance at which a zone is read, where its rule says so. */
      const distanceOf = (at: number): number | undefined => {
        const zone = zoneOf.get(at);
        const apart =
          zone === undefined ? null : /^apart by (\d+)$/.exec(rules.ruleOf(sequence.method.zones[zone]!).name);
        return apart ? Number(apart[1]) : undefined;
      };
      for (let q = 0; q < Q; q++)
        rows.push({
          position: position[q]!,
          key: rowOf(projected[layer]!.keys, h * Q + q),
          turned: false,
          value: rowOf(projected[layer]!.values, h * Q + q),
          weight: 1,
          passed: passes(sequence, layer, h, q, position[q]!),
          received: 0,
        });
      rows.sort((a, b) => a.position - b.position);
      for (let q = 0; q < Q; q++) {
        const here = position[q]!;
        const seen = rows.filter(
          (row) =>
            row.position <= here &&
            (zoneOf.has(row.position) || row.position >= position[0]!) &&
            (row.passed || row.position >= here - unjudged) &&
            (!windows || row.position < windows.first || row.position >= here - windows.last),
        );
        const distances = seen.map(({ position: at }) => distanceOf(at));
        const keys = seen.map(({ key, turned, position: at }, rank) =>
          turned || distances[rank] !== undefined ? key : turn(key, closesUp ? rank : at),
        );
        for (let member = 0; member < group; member++) {
          const at = (h * group + member) * Q + q;
          const query = turn(rowOf(queries, at), closesUp ? seen.length - 1 : here);
          const far = new Map(
            [...new Set(distances)].map((distance) => [distance, turn(rowOf(queries, at), distance ?? 0)]),
          );
          const weights = keys.map((key, i) => {
            const own = distances[i] === undefined ? query : far.get(distances[i])!;
            return key.reduce((sum, k, d) => sum + k * own[d]!, Math.log(seen[i]!.weight));
          });
          const top = Math.max(...weights);
          const total = weights.reduce((sum, w) => sum + Math.exp(w - top), 0);
          const mixed = new Float64Array(D);
          seen.forEach((row, i) => {
            const share = Math.exp(weights[i]! - top) / total;
            if (row.position > position[0]! - window) row.received += share;
            for (let d = 0; d < D; d++) mixed[d]! += share * row.value[d]!;
          });
          for (let d = 0; d < D; d++) compare('output', output[at * D + d]!, mixed[d]!);
        }
      }
    }
  }

  return {
    model: {
      ...model,
      async project(layer, ...rest) {
        return (projected[layer] = await model.project(layer, ...rest));
      },
    },
    observe: (sequence) => ({
      event({ kind, layer, kvHead, position, into }) {
        if (kind !== 'merge') return;
        const at = (where: number) => held[layer]![kvHead]!.find((row) => row.position === where)!;
        at(into).received += at(position).received;
      },
      merged({ layer, kvHead, part, position, row: found }) {
        const row = held[layer]![kvHead]!.find((r) => r.position === position)!;
        if (part === 'values') row.value = rowOf(found, 0);
        else Object.assign(row, { key: rowOf(found, 0), turned: sequence.layers[0]!.shape.rotated });
      },
      layer: (view) => attend(sequence, view, view.position.length > 1 ? windowsOf(sequence) : undefined),
      written({ layer, kvHead, part, positions, restored }) {
        const { rotated } = sequence.layers[0]!.shape;
        positions.forEach((position, i) => {
          const row = held[layer]![kvHead]!.find((r) => r.position === position)!;
          if (part === 'values') row.value = rowOf(restored, i);
          else Object.assign(row, { key: rowOf(restored, i), turned: rotated });
        });
      },
    }),
    settle(sequence) {
      const { method } = sequence;
      const accumulates = ['accumulated-attention', 'local-mass'].includes(method.declaration.score.operator.name);
      sequence.layers.forEach((layer, l) => {
        layer.tables.forEach((table, h) => {
          const kept = new Set(keptPositions(layer, h));
          const gone = held[l]![h]!.filter(({ position, mean }) => !mean && !kept.has(position));
          // A mean that stands for earlier ones goes into the next.
          const leaving = gone.length ? [...held[l]![h]!.filter(({ mean }) => mean), ...gone] : [];
          held[l]![h] = held[l]![h]!.filter((row) => !leaving.includes(row));
          if (leaving.length && layer.shape.syntheticZone >= 0) held[l]![h]!.push(meanOf(leaving, turn));
          for (let e = 0; e < table.count; e++) {
            const row = held[l]![h]!.find(({ position }) => position === table.position[e])!;
            if (accumulates) compare('score', table.columns.get('score')![e]!, row.received);
            const bitsOf = (part: 'keys' | 'values') => layer.stores[part][table.store[part][e]!]!.encoding.bits;
            if (bitsOf('keys') === 16 && !row.turned)
              Object.assign(row, { key: halves(turn(row.key, row.position)), turned: true });
            if (bitsOf('values') === 16) row.value = halves(row.value);
          }
        });
      });
    },
    get outputApart() {
      return most.output / largest.output;
    },
    get scoreApart() {
      return largest.score ? most.score / largest.score : 0;
    },
    get compared() {
      return compared;
    },
  };
}

/** One row for several: the mean of their rotated keys and of their values, at the place of the last. */
function meanOf(rows: readonly Row[], turn: (key: Float64Array, position: number) => Float64Array): Row {
  const all = rows.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (list: readonly Float64Array[]): Float64Array =>
    list[0]!.map((_, d) => list.reduce((sum, row, i) => sum + rows[i]!.weight * row[d]!, 0) / all);
  return {
    position: rows.at(-1)!.position,
    key: mean(rows.map(({ key, turned, position }) => (turned ? key : turn(key, position)))),
    turned: true,
    value: mean(rows.map(({ value }) => value)),
    weight: all,
    mean: true,
    passed: true,
    received: 0,
  };
}

const halves = (row: Float64Array): Float64Array => row.map((v) => fromHalfBits(toHalfBits(v)));

interface Windows {
  first: number;
  last: number;
}

/** Where positions alone decide, a query of a chunk sees what it would see if tokens came one by one. */
function windowsOf({ method, allocated }: Sequence): Windows | undefined {
  const { keys, values } = method.declaration.select;
  if (!method.when.includes('chunk') || keys !== values || keys.some(({ rule }) => !rule.byPosition)) return undefined;
  const windows = { first: 0, last: 0 };
  for (const { zone, rule } of keys)
    windows[rule.byPosition as 'first' | 'last'] += rule.amount ?? allocated!.get(zone)![0]!;
  return windows;
}
