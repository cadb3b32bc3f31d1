/** Who looks at a step: what is shown of each layer before the cache changes. */
import type { Form } from '../attend/form.ts';
import type { CacheLayer } from '../cache/layer.ts';
import type { LayerRead } from '../fetch/read.ts';
import type { Observer } from '../keep/observer.ts';

/** What a recorder sees of a layer before the cache changes. */
export interface LayerView {
  layer: number;
  /** What the step reads of the layer: all of it, or what was fetched. */
  cache: CacheLayer;
  /** What was chosen, and the whole layer. */
  read: LayerRead;
  whole: CacheLayer;
  form: Form;
  /** Softmax rows of each block: [Hkv, G*Q, C], or one [1, G*Q, C] a head. */
  attention: Float32Array[];
  /** [Hkv, G*Q, D] not rotated. */
  queries: Float32Array;
  output: Float32Array;
  position: Int32Array;
  /** [Hkv, Q, D] not rotated. */
  keys: Float32Array;
  values: Float32Array;
  /** Normed input of the projection [Q, X], and logits as `attention` is cut, where the observer wants them. */
  hidden?: Float32Array;
  products?: Float32Array[];
}
export interface StepObserver extends Observer {
  wants?: { hidden?: boolean; products?: boolean };
  /** Wants attention rows; without it they stay in the runtime. */
  layer(view: LayerView): void | Promise<void>;
}
