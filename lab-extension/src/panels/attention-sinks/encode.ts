/** Attention sinks: how much of each head's attention goes to the first tokens. */
import { latestColumn, logColumn, type Run, rowAtStep } from '../../store/run.ts';

/** Share of attention above which a token is a sink of a head, unless the reader chooses another. */
export const sinkThreshold = 0.3;
export const thresholds = [0.1, 0.2, 0.3, 0.5, 0.8] as const;

/** What the grid shades: attention of the newest query on the first tokens, what one of them receives of all queries, or spread. */
export const sinkMeasures = ['mass', 'rate', 'entropy'] as const;
export type SinkMeasure = (typeof sinkMeasures)[number];

export interface SinkView {
  measure: SinkMeasure;
  threshold: number;
  /** Heads of a layer by falling value instead of by number. */
  sorted: boolean;
}
export const plainView: SinkView = { measure: 'mass', threshold: sinkThreshold, sorted: false };

export interface SinkDrawing extends SinkView {
  layers: number;
  queryHeads: number;
  kvHeads: number;
  sinkCount: number;
  /** Share of the newest query's attention on the first tokens, mean of the steps, [layers, queryHeads]. */
  mass: Float32Array;
  /** The measure, [layers, queryHeads], and its value at the far end of the ramp. */
  values: Float32Array;
  most: number;
  /** Query head in each column of a layer, [layers, queryHeads]. */
  order: Uint16Array;
  /** Share of heads whose measure is above the threshold. */
  sinkShare: number;
  strongest: { layer: number; queryHead: number; mass: number };
  /** Tokens after the first that are sinks of at least a tenth of all heads. */
  others: { position: number; heads: number }[];
}

/** Encodes the heads after a step; over a range of steps, the mean. */
export function encodeSinks(
  run: Run,
  [from, step]: readonly [number, number],
  view: SinkView = plainView,
): SinkDrawing | undefined {
  const { layers, queryHeads, kvHeads } = run.info.model;
  const mass = meanRows(run, 'sink.mass', from, step);
  if (!mass) return undefined;
  const received = receivedByAll(run);
  const values =
    view.measure === 'mass'
      ? mass
      : view.measure === 'entropy'
        ? meanRows(run, 'attention.entropy', from, step)
        : received && largestOfFirst(received, run.info.sinkCount);
  if (!values) return undefined;
  const judged = view.measure === 'rate' ? values : mass;
  let best = 0;
  let sinks = 0;
  for (let i = 0; i < mass.length; i++) {
    if (mass[i]! > mass[best]!) best = i;
    if (judged[i]! > view.threshold) sinks++;
  }
  return {
    ...view,
    layers,
    queryHeads,
    kvHeads,
    sinkCount: run.info.sinkCount,
    mass,
    values,
    most: view.measure === 'entropy' ? values.reduce((a, b) => Math.max(a, b), 1e-6) : 1,
    order: orderOf(values, layers, queryHeads, view.sorted),
    sinkShare: sinks / mass.length,
    strongest: { layer: Math.floor(best / queryHeads), queryHead: best % queryHeads, mass: mass[best]! },
    others: received ? otherSinks(received, run.info.sinkCount, view.threshold) : [],
  };
}

/** Mean over steps of a column [S, L, Hq]. */
function meanRows(
  run: Run,
  name: 'sink.mass' | 'attention.entropy',
  from: number,
  to: number,
): Float32Array | undefined {
  const column = logColumn(run, name);
  const size = run.info.model.layers * run.info.model.queryHeads;
  const last = Math.min(rowAtStep(run, to), (column?.rows ?? 0) - 1);
  if (!column || last < 0) return undefined;
  const first = Math.max(0, Math.min(last, rowAtStep(run, from - 1) + 1));
  const mean = new Float32Array(size);
  for (let row = first; row <= last; row++)
    for (let i = 0; i < size; i++) mean[i]! += column.data[row * size + i]! / (last - first + 1);
  return mean;
}

interface Received {
  values: Float32Array;
  tokens: number;
}

function receivedByAll(run: Run): Received | undefined {
  const column = latestColumn(run, 'attention.received');
  return column && { values: column.data as Float32Array, tokens: column.shape[2]! };
}

/** The largest share that one of the first tokens receives, per head. */
function largestOfFirst({ values, tokens }: Received, count: number): Float32Array {
  return Float32Array.from({ length: values.length / tokens }, (_, head) =>
    values.subarray(head * tokens, head * tokens + Math.min(count, tokens)).reduce((a, b) => Math.max(a, b), 0),
  );
}

type OtherSinks = SinkDrawing['others'];
/** Sinks by the shares that they were counted in, and the threshold: pointing at things must not cost what new data cost. */
const counted = new WeakMap<Float32Array, Map<string, OtherSinks>>();

function otherSinks({ values, tokens }: Received, from: number, threshold: number): OtherSinks {
  const made = counted.get(values) ?? new Map<string, OtherSinks>();
  counted.set(values, made);
  const key = `${from} ${threshold}`;
  const others = made.get(key) ?? countSinks({ values, tokens }, from, threshold);
  made.set(key, others);
  return others;
}

function countSinks({ values, tokens }: Received, from: number, threshold: number): OtherSinks {
  const heads = new Uint16Array(tokens);
  for (let start = 0; start < values.length; start += tokens)
    for (let position = from; position < tokens; position++)
      if (values[start + position]! > threshold) heads[position]! += 1;
  const least = (values.length / tokens) * 0.1;
  return [...heads.keys()]
    .filter((position) => position >= from && heads[position]! >= least)
    .map((position) => ({ position, heads: heads[position]! }))
    .sort((a, b) => b.heads - a.heads);
}

function orderOf(values: Float32Array, layers: number, queryHeads: number, sorted: boolean): Uint16Array {
  const order = new Uint16Array(layers * queryHeads);
  for (let layer = 0; layer < layers; layer++) {
    const heads = Array.from({ length: queryHeads }, (_, head) => head);
    const value = (head: number) => values[layer * queryHeads + head]!;
    if (sorted) heads.sort((a, b) => value(b) - value(a));
    order.set(heads, layer * queryHeads);
  }
  return order;
}

/** Sink mass of one head after each step up to `step`, and the mean of all heads. */
export function sinkSeries(
  run: Run,
  step: number,
  layer: number,
  queryHead: number,
): { steps: number[]; head: number[]; mean: number[] } {
  const column = logColumn(run, 'sink.mass');
  const index = logColumn(run, 'step.index');
  const series = { steps: [] as number[], head: [] as number[], mean: [] as number[] };
  if (!column || !index) return series;
  const { layers, queryHeads } = run.info.model;
  const size = layers * queryHeads;
  const means = meanOfHeads(column, size);
  for (let row = 0; row < Math.min(column.rows, index.rows) && index.data[row]! <= step; row++) {
    series.steps.push(index.data[row]!);
    series.head.push(column.data[row * size + layer * queryHeads + queryHead]!);
    series.mean.push(means[row]!);
  }
  return series;
}

/** Attention that each token received from one head, per query that could see it; with the step it belongs to. */
export function receivedBy(
  run: Run,
  layer: number,
  queryHead: number,
): { values: Float32Array; step: number } | undefined {
  const column = latestColumn(run, 'attention.received');
  if (!column) return undefined;
  const tokens = column.shape[2]!;
  const start = (layer * run.info.model.queryHeads + queryHead) * tokens;
  return { values: column.data.slice(start, start + tokens) as Float32Array, step: column.step };
}

/** Attention row of the newest query of a head, where the page watches it. */
export function newestRow(run: Run, layer: number, queryHead: number): Float32Array | undefined {
  const watched = latestColumn(run, 'watch.head')?.data;
  if (watched?.[0] !== layer || watched[1] !== queryHead) return undefined;
  return latestColumn(run, 'watch.attention')?.data as Float32Array | undefined;
}

/** Means by the column that they were made from: rows that were summed once are not summed again. */
const known = new WeakMap<object, number[]>();

function meanOfHeads(column: { data: ArrayLike<number>; rows: number }, size: number): number[] {
  const means = known.get(column) ?? [];
  known.set(column, means);
  for (let row = means.length; row < column.rows; row++) {
    let sum = 0;
    for (let i = row * size; i < (row + 1) * size; i++) sum += column.data[i]!;
    means.push(sum / size);
  }
  return means;
}

/** One row for each step, layer and query head, for files. */
export function sinkRows(run: Run, [from, to]: readonly [number, number]): Record<string, Float32Array | Uint32Array> {
  const mass = logColumn(run, 'sink.mass');
  const entropy = logColumn(run, 'attention.entropy');
  const index = logColumn(run, 'step.index');
  const { layers, queryHeads } = run.info.model;
  const size = layers * queryHeads;
  const first = rowAtStep(run, from - 1) + 1;
  const count = Math.max(0, Math.min(rowAtStep(run, to), (mass?.rows ?? 0) - 1) - first + 1);
  const received = receivedByAll(run);
  const total = count * size;
  const whole = (of: (row: number, head: number) => number) =>
    Uint32Array.from({ length: total }, (_, i) => of(first + Math.floor(i / size), i % size));
  return {
    step: whole((row) => index?.data[row] ?? row),
    layer: whole((_, head) => Math.floor(head / queryHeads)),
    query_head: whole((_, head) => head % queryHeads),
    sink_mass: Float32Array.from({ length: total }, (_, i) => mass!.data[first * size + i]!),
    entropy: Float32Array.from({ length: total }, (_, i) => entropy?.data[first * size + i] ?? Number.NaN),
    // Known after the newest step only.
    received_0: Float32Array.from({ length: total }, (_, i) =>
      received && i >= total - size ? received.values[(i % size) * received.tokens]! : Number.NaN,
    ),
  };
}
