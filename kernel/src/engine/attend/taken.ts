/** What the operator of the attend slot takes from fits, and what it counts. */
import { fittedTensor } from '@kvlab/ops';
import type { Tensor } from '../runtime/tensor.ts';
import type { Form } from './form.ts';
import type { Queries } from './queries.ts';

/** A count over all query rows so far: how many were seen, and the sum of what was measured on them. */
export interface Measured {
  rows: number;
  sum: number;
}

/** Tensors [L, Hq] of fits for the query rows of these heads: [heads, G*Q, 1] each, by the name of the input. */
export function takenFeeds(
  { attend, group }: Form,
  heads: readonly number[],
  { position, fitted, now }: Queries,
): Record<string, Tensor> {
  const Q = position.length;
  const feeds = Object.entries(attend.takes ?? {}).map(([name, taken]): [string, Tensor] => {
    const found = typeof taken === 'number' ? undefined : fittedTensor(attend.operator.name, fitted, taken.fit, taken.tensor); // biome-ignore format: one line
    const ofLayer = (now?.layer ?? 0) * (found?.dims[1] ?? 0);
    const ofHead = (queryHead: number) => (found ? found.data[ofLayer + queryHead]! : (taken as number));
    const rows = heads.flatMap((h) =>
      Array.from({ length: group * Q }, (_, row) => ofHead(h * group + Math.floor(row / Q))),
    );
    return [`fitted.${name}`, { type: 'float32', dims: [heads.length, group * Q, 1], data: Float32Array.from(rows) }];
  });
  return Object.fromEntries(feeds);
}

/** Adds what a step measured to what was measured before. */
export function addMeasures(all: Map<string, Measured>, got: Readonly<Record<string, Tensor>>): void {
  for (const [name, { data }] of Object.entries(got)) {
    if (!name.startsWith('measure.')) continue;
    const measure = name.slice('measure.'.length).split('@')[0]!;
    const known = all.get(measure) ?? { rows: 0, sum: 0 };
    known.rows += data.length;
    known.sum += (data as Float32Array).reduce((a, b) => a + b, 0);
    all.set(measure, known);
  }
}
