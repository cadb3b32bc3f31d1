/** Attention sinks: how much of each head's attention goes to the first tokens. */
import { latestColumn, logColumn, type Run, rowAtStep } from '../../store/run.ts';

/** A head is a sink when more than this share of its attention goes to the first tokens. */
export const sinkThreshold = 0.3;

export interface SinkDrawing {
  layers: number;
  queryHeads: number;
  kvHeads: number;
  sinkCount: number;
  /** Share of the newest query's attention on the first tokens, [layers, queryHeads]. */
  mass: Float32Array;
  /** Share of heads above the threshold. */
  sinkShare: number;
  strongest: { layer: number; queryHead: number; mass: number };
}

export function encodeSinks(run: Run, step: number): SinkDrawing | undefined {
  const column = logColumn(run, 'sink.mass');
  const { layers, queryHeads, kvHeads } = run.info.model;
  const size = layers * queryHeads;
  const row = Math.min(rowAtStep(run, step), (column?.rows ?? 0) - 1);
  if (!column || row < 0) return undefined;
  const mass = column.data.slice(row * size, (row + 1) * size) as Float32Array;
  let best = 0;
  let sinks = 0;
  for (let i = 0; i < size; i++) {
    if (mass[i]! > mass[best]!) best = i;
    if (mass[i]! > sinkThreshold) sinks++;
  }
  return {
    layers,
    queryHeads,
    kvHeads,
    sinkCount: run.info.sinkCount,
    mass,
    sinkShare: sinks / size,
    strongest: { layer: Math.floor(best / queryHeads), queryHead: best % queryHeads, mass: mass[best]! },
  };
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
  for (let row = 0; row < Math.min(column.rows, index.rows) && index.data[row]! <= step; row++) {
    const values = column.data.subarray(row * size, (row + 1) * size) as Float32Array;
    series.steps.push(index.data[row]!);
    series.head.push(values[layer * queryHeads + queryHead]!);
    series.mean.push(values.reduce((a, b) => a + b, 0) / size);
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
