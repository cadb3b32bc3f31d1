/** What fits give to an operator: tensors by layer, of which it is handed those of its own. */
import { type Bound, type Fitted, fittedTensor } from '@kvlab/ops';

export interface FittedInput {
  dims: readonly number[];
  data: Float32Array;
}

/** Names of the inputs that fits of the operator give. */
export function fittedNames({ operator, fits = [] }: Bound): readonly string[] {
  return fits.flatMap(({ gives }) => Object.keys(gives)).filter((name) => name in operator.inputs);
}

/** Those inputs for one layer. Throws where a fit has not run. */
export function fittedInputs(bound: Bound, fitted: Fitted | undefined, layer: number): Record<string, FittedInput> {
  const found = (bound.fits ?? []).flatMap((fit) =>
    Object.keys(fit.gives)
      .filter((name) => name in bound.operator.inputs)
      .map((name): [string, FittedInput] => {
        const { dims, data } = fittedTensor(bound.operator.name, fitted, fit, name);
        const size = data.length / dims[0]!;
        return [
          name,
          { dims: dims.slice(1), data: Float32Array.from(data.subarray(layer * size, (layer + 1) * size)) },
        ];
      }),
  );
  return Object.fromEntries(found);
}
