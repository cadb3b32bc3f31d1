/** The graph of one operator by itself, as a model file. */
import {
  type AnyDefinition,
  type GraphBuilder,
  type GraphDevice,
  graphBuilder,
  type Sizes,
  type Spec,
  type Value,
} from '@kvlab/ops';
import { show } from './shapes.ts';

/** A state enters under another name than it leaves, since a graph may not use one name twice. */
export const enteringName = (operator: AnyDefinition, name: string): string =>
  operator.state && name in operator.state ? `previous_${name}` : name;

/** What an operator gives: its outputs, and its states as they are afterwards. */
export const resultSpecs = (operator: AnyDefinition): Readonly<Record<string, Spec>> => ({
  ...operator.state,
  ...operator.outputs,
});

/** Builds the graph for these sizes. Throws where the graph gives other tensors than the operator declares. */
export function operatorGraph(
  operator: AnyDefinition,
  params: Readonly<Record<string, number | string | boolean>>,
  sizes: Sizes,
  device: GraphDevice,
): GraphBuilder {
  const g = graphBuilder(operator.name, sizes, device);
  const enter = ([name, { dtype, dims }]: [string, Spec]): [string, Value] => [
    name,
    g.input(enteringName(operator, name), dtype, dims),
  ];
  const specs = { ...operator.inputs, ...operator.state };
  const given = operator.graph!(g, Object.fromEntries(Object.entries(specs).map(enter)), params);
  for (const [name, spec] of Object.entries(resultSpecs(operator))) {
    const value = given[name];
    if (!value)
      throw new Error(
        `${operator.name}: its graph gives ${Object.keys(given).join(', ') || 'nothing'}, but it declares ${name} ${show(spec.dims)}; return ${name} too`,
      );
    const size = (axis: string | number) => (typeof axis === 'number' ? axis : (sizes[axis] ?? axis));
    if (value.dims.length !== spec.dims.length || value.dims.some((d, i) => size(d) !== size(spec.dims[i]!)))
      throw new Error(
        `${operator.name}: its graph gives ${name} as ${show(value.dims)}, but it declares ${show(spec.dims)}; reshape it or correct the declaration`,
      );
    g.output(name, spec.dtype === value.type ? value : g.cast(value, spec.dtype));
  }
  return g;
}
