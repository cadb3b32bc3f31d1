/** Head classes that a test writes down, in place of what a fit would find. */
import { type Fitted, type Method, tensor } from '@kvlab/ops';
import type { Model } from '../../kernel/src/engine/model/load.ts';

/** 1 for each retrieval head, in the order of layers and KV heads. */
export function headClasses({ declaration }: Method, { config }: Model, retrieval: readonly number[]): Fitted {
  const [fit] = declaration.allocate.fits!;
  return new Map([[`${fit!.name}/retrieval`, tensor([config.layers, config.kvHeads], retrieval)]]);
}
