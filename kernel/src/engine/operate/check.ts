/** Checks an operator against itself: its example, and its graph against its float64 reference on random shapes. */
import { type AnyDefinition, type Bound, fromNested, type Tensor } from '@kvlab/ops';
import { resultSpecs } from './graph.ts';
import { type AnyOperator, bind, type Operate } from './operate.ts';
import { randomCase } from './random-case.ts';
import { type OperatorResult, placeOf } from './value.ts';

export interface CheckOptions {
  /** Random cases after the example; 20 unless said. */
  cases?: number;
  seed?: number;
}
export interface CheckReport {
  operator: string;
  ran: OperatorResult['ran'];
  cases: number;
  /** Largest difference between graph and reference, relative to the largest value of its output. */
  worst: number;
  text: string;
}

/** Runs example and random cases. Throws at the first that disagrees, saying where and, where it can, how. */
export async function checkOperator(
  operate: Operate,
  operator: AnyOperator,
  { cases = 20, seed = 1 }: CheckOptions = {},
): Promise<CheckReport> {
  const { definition, params } = bind(operator);
  const { name, tolerance = 1e-5 } = definition;
  await checkExample(operate, definition, params);
  let worst = 0;
  let ran: OperatorResult['ran'] = 'reference';
  for (let number = 0; number < cases; number++) {
    const drawn = randomCase(definition, params, number, seed);
    const run = (by: 'graph' | 'reference') =>
      operate(definition, drawn.inputs, drawn.params, { sizes: drawn.sizes, now: { seed, step: number }, by });
    const [graph, reference] = [await run('graph'), await run('reference')];
    for (const output of Object.keys(resultSpecs(definition))) {
      const [found, expected] = [graph[output]!, reference[output]!];
      ran = found.ran;
      worst = Math.max(
        worst,
        compare(`${name}, ${drawn.words}`, output, found, expected, tolerance, definition.nearTies),
      );
    }
  }
  const how = definition.graph ? `graph (${ran}) and reference agree` : 'a host operator: it runs as its reference';
  return { operator: name, ran, cases, worst, text: `${name}: example and ${cases} random cases hold; ${how}` };
}

async function checkExample(operate: Operate, definition: AnyDefinition, params: Bound['params']): Promise<void> {
  const { example, name, tolerance = 1e-5 } = definition;
  const settings = { ...params, ...(example.params as Bound['params'] | undefined) };
  for (const by of ['reference', 'graph'] as const) {
    const options = { by, ...(example.sizes ? { sizes: example.sizes } : {}) };
    const given = await operate(definition, example.inputs, settings, options);
    for (const [output, expected] of Object.entries(example.outputs)) {
      const found = given[output];
      if (!found) throw new Error(`${name}, example: there is no output ${output}; correct the example`);
      compare(`${name}, example by its ${by}`, output, found, fromNested(expected), tolerance);
    }
  }
}

type Shaped = Pick<OperatorResult, 'dims' | 'data'> | Tensor;

/** Largest relative difference. Throws where it is more than the tolerance in more elements than near ties explain. */
export function compare(
  where: string,
  output: string,
  found: Shaped,
  expected: Shaped,
  tolerance: number,
  nearTies = 0,
): number {
  if (found.dims.join() !== expected.dims.join())
    throw new Error(
      `${where}: ${output} is [${found.dims.join(', ')}] but should be [${expected.dims.join(', ')}]; check the dimensions`,
    );
  let largest = 0;
  for (const v of expected.data) if (Math.abs(v) > largest) largest = Math.abs(v);
  const scale = Math.max(largest, 1e-6);
  const off: number[] = [];
  let [worst, worstAt, within] = [0, 0, 0];
  for (let i = 0; i < expected.data.length; i++) {
    const difference = Math.abs(found.data[i]! - expected.data[i]!) / scale;
    if (!(difference <= tolerance)) off.push(i);
    else within = Math.max(within, difference);
    if (!(difference <= worst)) [worst, worstAt] = [difference, i];
  }
  if (off.length <= nearTies * expected.data.length) return within;
  const at = placeOf(worstAt, expected.dims).join(', ');
  throw new Error(
    `${where}: ${output} differs in ${off.length} of ${expected.data.length} elements; at [${at}] it is ${found.data[worstAt]} ` +
      `but should be ${expected.data[worstAt]}. ${hint(found, expected, off)}`,
  );
}

/** What the differences have in common, for someone who looks for the mistake. */
function hint(found: Shaped, expected: Shaped, off: readonly number[]): string {
  const round = (v: number) => Number(v.toPrecision(3));
  const same = (values: readonly number[]) =>
    values.length > 2 && values.every((v) => Math.abs(v - values[0]!) <= 1e-3 * Math.abs(values[0]!));
  const elements = Array.from(expected.data, (_, i) => i);
  const ratios = elements.filter((i) => expected.data[i] !== 0).map((i) => found.data[i]! / expected.data[i]!);
  if (same(ratios)) return `It is ${round(ratios[0]!)} times what it should be everywhere: look for a sum or a mean.`;
  const steps = elements.map((i) => found.data[i]! - expected.data[i]!);
  if (same(steps)) return `It is ${round(steps[0]!)} more than it should be everywhere: look for a constant.`;
  for (let axis = 0; axis < expected.dims.length; axis++) {
    const places = new Set(off.map((i) => placeOf(i, expected.dims)[axis]));
    if (places.size === 1 && expected.dims[axis]! > 1)
      return `Only index ${[...places][0]} of axis ${axis} differs: look at the edge of that axis.`;
  }
  return 'Compare graph and reference line by line on this shape.';
}
