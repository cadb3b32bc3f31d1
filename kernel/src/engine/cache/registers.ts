/** Codes that belong to a store as a whole: what fits gave for its layer, and what its first rows taught. */
import { asksQueries, codesOfStore, type Fitted, fittedTensor } from '@kvlab/ops';
import { type CacheLayer, parts } from './layer.ts';
import { codeWidth } from './store.ts';

/** Copies what fits gave for a layer into its stores. Throws where a fit has not run or gives another shape. */
export function placeFitted(layer: CacheLayer, layerIndex: number, fitted: Fitted | undefined): void {
  for (const part of parts)
    for (const store of layer.stores[part])
      for (const [name, code] of codesOfStore(store.encoding.codes)) {
        if (!code.fitted) continue;
        const { fit, tensor } = code.fitted;
        const { dims, data } = fittedTensor(store.encoding.name, fitted, fit, tensor);
        const width = (code.joint ? 1 : store.kvHeads) * codeWidth(code, store.headSize);
        if (data.length !== dims[0]! * width)
          throw new RangeError(
            `${store.encoding.name}: ${fit.name} gives ${tensor} [${dims.join(', ')}], but a layer needs ${width} numbers of it; fit it on this model`,
          );
        store.registers.get(name)!.set(data.subarray(layerIndex * width, (layerIndex + 1) * width));
      }
}

/** Notes the largest |query| of each channel while an encoding of the layer still has to learn from it: queries
 *  [Hkv, G*Q, D], each turned as its key is. */
export function seePeaks(
  layer: CacheLayer,
  queries: Float32Array,
  turn: (query: Float32Array, row: number) => Float32Array,
): void {
  const { kvHeads, headSize: D } = layer.shape;
  const awaits = parts.some((part) =>
    layer.stores[part].some(({ encoding, learnt }) => asksQueries(encoding) && learnt.includes(0)),
  );
  if (!awaits) {
    layer.queryPeaks = undefined;
    return;
  }
  layer.queryPeaks ??= new Float32Array(kvHeads * D);
  const peaks = layer.queryPeaks;
  const rows = queries.length / (kvHeads * D);
  for (let h = 0; h < kvHeads; h++)
    for (let row = 0; row < rows; row++) {
      const from = (h * rows + row) * D;
      const turned = turn(queries.subarray(from, from + D), row);
      for (let d = 0; d < D; d++) peaks[h * D + d] = Math.max(peaks[h * D + d]!, Math.abs(turned[d]!));
    }
}
