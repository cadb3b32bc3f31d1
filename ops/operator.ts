/** What an operator is: a named step of a method with an ONNX graph and a float64 reference side by side.
 *
 *  Dimension letters: L layers, Hq query heads, Hkv KV heads, G = Hq / Hkv, Q new queries, T entries, N segments (pages),
 *  B batches (rows encoded together), D head size, X hidden size, R rank or code width, V vocabulary. */
import type { Fit } from './fit/fit.ts';
import type { GraphBuilder, Sizes, Value } from './graph/builder.ts';
import type { Made } from './made.ts';
import type { Moment, Need } from './need.ts';
import { type Params, type ParamValues, resolveParams } from './params.ts';
import type { Nested, Tensor } from './tensor.ts';

export type Dim = 'L' | 'Hq' | 'Hkv' | 'G' | 'Q' | 'T' | 'N' | 'B' | 'D' | 'X' | 'R' | 'V' | number;
export type DType = 'f32' | 'i32' | 'u8' | 'bool';
export type Slot = 'score' | 'allocate' | 'select' | 'compensate' | 'encode' | 'place' | 'fetch' | 'attend';
export const slots: readonly Slot[] = [
  'score',
  'allocate',
  'select',
  'compensate',
  'encode',
  'place',
  'fetch',
  'attend',
];
/** Three kinds speak of tokens, eight of the cache, and a measure only looks on. */
export type Kind = Slot | 'segment' | 'pass' | 'fit' | 'measure';
/** How much one call sees; never when it runs. */
export type Scope = 'head' | 'layer' | 'pair' | 'model';

/** Type and dimensions of one tensor of an operator. */
export interface Spec {
  dtype: DType;
  dims: readonly Dim[];
  /** What a padded slot of a ragged head holds, so that sums, maxima and top-k need no special case. */
  pad?: number;
  /** Input only: T must be in time order (pooling, runs). Otherwise rows come in any order. */
  ordered?: boolean;
  /** What the numbers are, so that random checks draw valid ones. `rows`: causal softmax rows over the last axis;
   *  `products`: their logits, -1e30 where masked; `positions`: ascending along the last axis; `shares`: 0 to 1; `order`: 0, 1, 2, … shuffled. */
  values?: 'any' | 'rows' | 'products' | 'positions' | 'shares' | 'order';
  /** State only: value of a new row, and how two rows become one when entries merge. */
  start?: number;
  merge?: 'sum' | 'max' | 'keep';
}
export type Specs = Readonly<Record<string, Spec>>;
type SpecOptions = Omit<Spec, 'dtype' | 'dims'>;
const spec =
  (dtype: DType) =>
  (dims: readonly Dim[], options: SpecOptions = {}): Spec => ({ dtype, dims, ...options });
export const f32 = spec('f32');
export const i32 = spec('i32');
export const u8 = spec('u8');

export interface OperatorDefinition<
  P extends Params,
  I extends Specs = Specs,
  S extends Specs = Specs,
  O extends Specs = Specs,
> {
  /** kebab-case, as its file. */
  name: string;
  kind: Kind;
  scope: Scope;
  /** What it does, in a phrase for the slot diagram; the parameters may change it. */
  title: string | ((params: ParamValues<P>) => string);
  paper?: string;
  departures?: readonly string[];
  params: P;
  needs?: (params: ParamValues<P>) => readonly Need[];
  inputs: I;
  /** Inputs that follow from positions and facts alone; the caller makes them with `madeInputs`. */
  made?: Readonly<Record<string, Made<ParamValues<P>>>>;
  outputs: O;
  /** Memory between calls. The letters say where it lives: T = a column of the entries, neither T nor N = a register.
   *  The engine extends, moves, merges and drops it; an operator only computes new values. A state arrives as an input of
   *  its name, already extended for new entries, and leaves as an output of its name. */
  state?: S;
  cost?: (dims: Readonly<Record<string, number>>, params: ParamValues<P>) => { flops: number; bytes: number };
  /** Absent = host operator: it runs as its reference, and the device line says so. */
  graph?: (g: GraphBuilder, inputs: Record<string, Value>, params: ParamValues<P>) => Record<string, Value>;
  /** The definition, in plain float64 loops. */
  reference: (inputs: Record<string, Tensor>, params: ParamValues<P>, now: Moment) => Record<string, Tensor>;
  /** A case small enough to check by hand; `sizes` where the letters cannot be read off the inputs. */
  example: {
    inputs: Record<string, Nested>;
    sizes?: Sizes;
    params?: Partial<ParamValues<P>>;
    outputs: Record<string, Nested>;
  };
  /** Largest difference between graph and reference, relative to the largest value; 1e-5 unless said. */
  tolerance?: number;
  /** Share of elements that may differ more, because a rounding or comparison inside is a near tie; 0 unless said. */
  nearTies?: number;
  /** Sizes near the given ones that it accepts, where not every size will do; for random checks. */
  accepts?: (sizes: Sizes, params: ParamValues<P>) => Sizes;
  /** Parameter settings that random checks run beside the defaults; choices and flags vary by themselves. */
  variants?: readonly Partial<ParamValues<P>>[];
}

/** Any operator, with the types of its parameters forgotten: for slots, lists, tests and pictures that treat all alike. */
export type AnyDefinition = OperatorDefinition<Params>;

/** An operator with its parameters: what a slot of a declaration holds. */
export interface Bound {
  readonly operator: AnyDefinition;
  readonly params: Readonly<Record<string, number | string | boolean>>;
  readonly title: string;
  readonly needs: readonly Need[];
  /** Fits that give some of its inputs by their names, each for its layer. */
  readonly fits?: readonly Fit[];
  /** The element that changes nothing; drawn faint. */
  readonly neutral: boolean;
}
export interface OperatorFactory<
  P extends Params,
  I extends Specs = Specs,
  S extends Specs = Specs,
  O extends Specs = Specs,
> {
  (params?: Partial<ParamValues<P>>): Bound & { readonly params: ParamValues<P> };
  readonly definition: OperatorDefinition<P, I, S, O>;
}

/** Declares an operator. The result is called with parameters inside a declaration: `accumulatedAttention({ decay: 0.9 })`. */
export function operator<
  const P extends Params,
  const I extends Specs,
  const O extends Specs,
  const S extends Specs = Readonly<Record<never, never>>,
>(definition: OperatorDefinition<P, I, S, O>): OperatorFactory<P, I, S, O> {
  const bind = (given?: Partial<ParamValues<P>>) => {
    const params = resolveParams(`${definition.kind} ${definition.name}`, definition.params, given);
    return {
      operator: definition as unknown as AnyDefinition,
      params,
      title: typeof definition.title === 'string' ? definition.title : definition.title(params),
      needs: definition.needs?.(params) ?? [],
      neutral: false,
    };
  };
  return Object.assign(bind, { definition });
}
