/** Scores in the graph of a step: their inputs from what was attended to, their states in and out. */
import type { GraphBuilder, Method, Value } from '@kvlab/ops';
import { blended, isColumn, keptAs, partsOf, type ScorePart } from '../keep/parts.ts';
import type { StepTensors } from './step-tensors.ts';

/** Adds every part of the score and gives the score of each entry [Hkv, T]; zeros where nothing is scored. */
export function addScore(g: GraphBuilder, { declaration: { score } }: Method, x: StepTensors): Value {
  const parts = partsOf(score).map((part) => addPart(g, part, x));
  const none = () => g.squeeze(g.slice(g.mul(x.keys, 0), 2, 0, 1, 1), 2); // [Hkv, T]
  if (parts.length === 0) return none();
  const mixture = blended(score);
  let result = parts[0]!;
  if (mixture) {
    const scores = g.concat(
      parts.map((p) => g.unsqueeze(p, 0)),
      0,
      'N',
    );
    const weights = g.constant('f32', [...mixture.weights], [mixture.weights.length, 1, 1]);
    result = score.operator.graph!(g, { scores, weights: { ...weights, dims: ['N', 1, 1] } }, score.params as never)
      .score!;
  }
  g.output('score', result);
  return result;
}

/** One part; states and scores of its own leave under its name. */
function addPart(g: GraphBuilder, { part, score }: ScorePart, x: StepTensors): Value {
  const { operator, params, needs } = score;
  const lastOf = (of: string) => needs.find((need) => need.of === of && 'rows' in need && need.rows?.last);
  const rowsOf = (of: string): number | undefined => {
    const need = lastOf(of);
    return need && 'rows' in need ? need.rows?.last : undefined;
  };
  const newest = (v: Value) => g.slice(v, 1, g.neg(g.slice(g.shape(x.queries), 0, 1, 2, 1)), 2 ** 31, 'Q'); // of [H, T, D]
  const inputs: Record<string, Value> = {};
  for (const [name, { dims }] of Object.entries(operator.inputs)) {
    const rows = rowsOf(name) ?? (name === 'products' ? rowsOf('attention') : undefined);
    if (name === 'attention' || name === 'products' || name === 'queries')
      inputs[name] = rows ? g.slice(x[name], 1, -rows, 2 ** 31, 'Q') : x[name];
    else if (name === 'keys' || name === 'values') inputs[name] = dims[1] === 'Q' ? newest(x[name]) : x[name];
    else if (name === 'outputs') inputs[name] = x.outputs;
    else if (name === 'position') inputs[name] = g.add(g.squeeze(g.slice(g.mul(x.keys, 0), 2, 0, 1, 1), 2), x.position);
    else inputs[name] = g.input(keptAs(part, name), 'f32', dims);
  }
  for (const [state, { dims }] of Object.entries(operator.state ?? {}))
    inputs[state] = g.input(`previous_${keptAs(part, state)}`, 'f32', dims);
  const results = operator.graph!(g, inputs, params as never);
  for (const state of Object.keys(operator.state ?? {}))
    if (keptAs(part, state) !== 'score') g.output(keptAs(part, state), results[state]!);
  const own = results['score']!;
  if (operator.outputs['score']!.dims[1] !== 'Q' || !isColumn(score, 'score')) return own;
  // Given at birth: the entries before have theirs already.
  const before = g.input(`previous_${keptAs(part, 'score')}`, 'f32', ['Hkv', 'P']);
  return g.concat([before, { ...own, dims: ['Hkv', 'Q'] }], 1, 'T');
}
