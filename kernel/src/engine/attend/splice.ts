/** Score operators inside the attention graph: they see what a block computed, and their states arrive and leave by column. */
import type { GraphBuilder, Value } from '@kvlab/ops';
import { fittedNames } from '../fit/inputs.ts';
import { isColumn, keptAs } from '../keep/parts.ts';
import type { Form, SplicedScore } from './form.ts';

/** What a block has to show: H heads, G query heads each, F new keys, C columns. */
export interface Seen {
  /** [H, G*Q, C]; attention only where the attend slot tells it. */
  attention: Value | undefined;
  products: Value;
  /** [H, G*Q, D] times 1/sqrt(D), as they left the projection, and at their positions. */
  queries: Value;
  rotatedQueries: Value;
  /** [H, G*Q, D]. */
  outputs: Value;
  /** New rows [H, F, D], not rotated. */
  keys: Value;
  values: Value;
  /** Normed input of the projection [Q, X]; asked for where a score reads it. */
  hidden(): Value;
  /** Values of all columns [H, C, D]; undefined where they lie in another order than the keys. */
  heldValues: Value | undefined;
}

/** Runs one score; its results leave as `score.<column>`. */
export function spliceScore(
  g: GraphBuilder,
  form: Form,
  spliced: SplicedScore,
  name: (n: string) => string,
  seen: Seen,
  head: string | number,
): void {
  const { score, part } = spliced;
  const { operator, params } = score;
  const own = (what: string, n: string) => name(`${what}.${keptAs(part, n)}`);
  const kvHeads = head === 1 ? 1 : 'Hkv';
  const queryHeads = head === 1 ? 'G' : 'Hq';
  const enters = (axes: readonly (string | number)[]) =>
    axes.map((d) => (d === 'T' ? 'C' : d === 'Hkv' ? head : d === 'Hq' ? queryHeads : d));
  const inputs: Record<string, Value> = {};
  for (const [input, spec] of Object.entries(operator.inputs)) {
    if (operator.made?.[input])
      inputs[input] = { ...g.input(own('made', input), 'f32', enters(spec.dims)), dims: spec.dims };
    else if (fittedNames(score).includes(input)) {
      const value = g.input(own('fitted', input), 'f32', enters(spec.dims));
      inputs[input] = { ...value, dims: [kvHeads, ...spec.dims.slice(1)] };
    } else inputs[input] = shown(g, form, spliced, own('order', 'time'), input, seen, [kvHeads, queryHeads]);
  }
  for (const [state, { dims }] of Object.entries(operator.state ?? {})) {
    const axes = isColumn(score, state) ? [head, 'C'] : enters(dims);
    inputs[state] = { ...g.input(own('state', state), 'f32', axes), dims };
  }
  const results = operator.graph!(g, inputs, params as never);
  for (const [result, value] of Object.entries(results)) g.output(own('score', result), value);
}

/** One input that the block computed, with the axes that the operator declares. */
function shown(
  g: GraphBuilder,
  form: Form,
  { score: { operator, needs }, lastRows, ordered }: SplicedScore,
  order: string,
  input: string,
  seen: Seen,
  [kvHeads, queryHeads]: [string | number, string],
): Value {
  const { dims } = operator.inputs[input]!;
  const refuse = (why: string) => new Error(`${operator.name}: the attention graph has no ${input} [${dims.join(', ')}]; ${why}`); // biome-ignore format: one line
  if (input === 'attention' || input === 'products') {
    let rows = g.reshape(seen[input]!, [queryHeads, 'Q', 'C']); // query head = kvHead * G + group
    if (lastRows) rows = g.slice(rows, 'Q', -lastRows, 2 ** 31, 'Q');
    if (ordered) rows = inTimeOrder(g, order, rows, input === 'attention' ? 0 : -1e30);
    return { ...rows, dims: ['Hq', 'Q', 'T'] };
  }
  if (input === 'outputs') return { ...g.reshape(seen.outputs, [queryHeads, 'Q', 'D']), dims: ['Hq', 'Q', 'D'] };
  if (input === 'queries') {
    const rotated = needs.some((need) => need.of === 'queries' && need.rotated);
    const rows = g.reshape(rotated ? seen.rotatedQueries : seen.queries, [queryHeads, 'Q', 'D']);
    // The model's queries carry 1/sqrt(D); papers and operators speak of them without.
    return { ...g.mul(rows, Math.sqrt(form.headSize)), dims: ['Hq', 'Q', 'D'] };
  }
  if (input === 'hidden') return seen.hidden();
  if (input !== 'keys' && input !== 'values')
    throw refuse('it has attention, products, queries, outputs, hidden, keys and values');
  if (dims[1] === 'Q') return { ...seen[input], dims: [kvHeads, 'Q', 'D'] };
  if (input === 'keys') throw refuse('score keys that are held in the keep pass, without attention');
  if (!seen.heldValues) throw refuse('keep keys and values in the same zones');
  return { ...seen.heldValues, dims: [kvHeads, 'T', 'D'] };
}

/** Columns [Hq, Q, C] -> entries in time order [Hq, Q, T]; an index of C stands for "no entry" and reads `empty`. */
function inTimeOrder(g: GraphBuilder, order: string, value: Value, empty: number): Value {
  const index = g.input(order, 'i32', ['Hq', 1, 'T']);
  const padded = g.pad(value, 0, 1, empty, 'C+1'); // [Hq, Q, C+1]
  const shape = g.concat([g.slice(g.shape(padded), 0, 0, 2, 2), g.slice(g.shape(index), 0, 2, 3, 1)], 0); // i64: Hq, Q, T
  return g.gatherElements(padded, g.expand(index, shape, ['Hq', 'Q', 'T']), 2); // [Hq, Q, T]
}
