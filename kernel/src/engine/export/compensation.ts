/** What those that leave pass on, in the graph of a step. */
import type { Bound, GraphBuilder, Value } from '@kvlab/ops';
import { merges } from '../keep/merge.ts';
import type { StepTensors } from './step-tensors.ts';

/** Adds the outputs of a compensation: `compensate.<output>`, with `@` and its number for each head where rows are mixed. */
export function addCompensation(g: GraphBuilder, compensate: Bound, x: StepTensors, zone: Value, left: number): void {
  const { operator, params } = compensate;
  const gone = g.equal(zone, left); // [Hkv, T]
  if (!merges(compensate)) {
    const inputs = { keys: x.keys, values: x.values, leaving: g.cast(gone, 'f32') };
    for (const [name, value] of Object.entries(operator.graph!(g, inputs, params as never)))
      g.output(`compensate.${name}`, value);
    return;
  }
  const states = Object.entries(operator.state ?? {}).map(
    ([name, { dims }]) => [name, g.input(`previous_compensate.${name}`, 'f32', dims)] as const,
  );
  for (let h = 0; h < g.sizes.Hkv!; h++) {
    const own = (v: Value) => g.slice(v, 0, h, h + 1, 1);
    const leaving = g.squeeze(own(gone), 0); // bool [T]
    const among = (v: Value, mask: Value, letter: string) =>
      g.node('Compress', [own(v), mask], [{ type: 'f32', dims: [1, letter, 'D'] }], { axis: 1 })[0]!;
    const inputs = {
      keys: among(x.keys, g.not(leaving), 'T'),
      values: among(x.values, g.not(leaving), 'T'),
      leavingKeys: among(x.keys, leaving, 'N'),
      leavingValues: among(x.values, leaving, 'N'),
      ...Object.fromEntries(states.map(([name, value]) => [name, own(value)])),
    };
    for (const [name, value] of Object.entries(operator.graph!(g, inputs, params as never)))
      g.output(`compensate.${name}@${h}`, value);
  }
}
