/** Eager use of any operator: tensors in, tensors out, on the device of a runtime.
 *
 *  `const ops = createOps(runtime); await ops.keyNorm({ keys: [[[3, 4]]] })` gives `score` [[-5]]. Operators without a graph
 *  run as their float64 reference. Sessions are kept: one for each operator, setting and set of fixed sizes. */
import {
  type AnyDefinition,
  type Bound,
  type Moment,
  madeInputs,
  type OperatorFactory,
  operators,
  type Params,
  type ParamValues,
  resolveParams,
  type Sizes,
  type Specs,
  type Tensor,
  tensor,
} from '@kvlab/ops';
import type { Runtime } from '../runtime/runtime.ts';
import type { Session } from '../runtime/session.ts';
import { enteringName, operatorGraph, resultSpecs } from './graph.ts';
import { fixedSizes, readSizes } from './shapes.ts';
import { type OperatorInput, type OperatorResult, readInput, toResult, toRuntime } from './value.ts';

export interface OperateOptions {
  /** Sizes of letters that no input shows: `{ Hkv: 3 }`. */
  sizes?: Sizes;
  /** Facts that operators may read (step, layer, seed, …); the start of a run unless said. */
  now?: Partial<Omit<Moment, 'sizes'>>;
  /** `reference` computes in float64 plain loops instead of the graph. */
  by?: 'graph' | 'reference';
}
/** An operator in any of the forms in which it is met. */
export type AnyOperator = { readonly definition: object } | Bound | AnyDefinition;
type Inputs<I extends Specs, S extends Specs> = { readonly [N in keyof I]: OperatorInput } & {
  readonly [N in keyof S]?: OperatorInput;
};
type Results<S extends Specs, O extends Specs> = { readonly [N in keyof O | keyof S]: OperatorResult };
type Eager<P extends Params, I extends Specs, S extends Specs, O extends Specs> = (
  inputs: Inputs<I, S>,
  params?: Partial<ParamValues<P>>,
  options?: OperateOptions,
) => Promise<Results<S, O>>;
export type Ops = {
  readonly [K in keyof typeof operators]: (typeof operators)[K] extends OperatorFactory<
    infer P,
    infer I,
    infer S,
    infer O
  >
    ? Eager<P, I, S, O>
    : never;
};
export interface Operate {
  <P extends Params, I extends Specs, S extends Specs, O extends Specs>(
    operator: OperatorFactory<P, I, S, O>,
    inputs: Inputs<I, S>,
    params?: Partial<ParamValues<P>>,
    options?: OperateOptions,
  ): Promise<Results<S, O>>;
  (
    operator: AnyOperator,
    inputs: Readonly<Record<string, OperatorInput>>,
    params?: Readonly<Record<string, number | string | boolean>>,
    options?: OperateOptions,
  ): Promise<Record<string, OperatorResult>>;
}

/** Sessions that stay open; the one used longest ago is released first. */
const mostSessions = 64;

/** Every operator of the catalogue as a function of tensors. */
export function createOps(runtime: Runtime): Ops {
  const operate = createOperate(runtime);
  const eager = Object.entries(operators).map(([name, factory]) => [
    name,
    (
      inputs: Record<string, OperatorInput>,
      params?: Record<string, number | string | boolean>,
      options?: OperateOptions,
    ) => operate(factory as AnyOperator, inputs, params, options),
  ]);
  return Object.fromEntries(eager) as Ops;
}

const known = new WeakMap<Runtime, Operate>();

/** The eager operators that all caches of a runtime share; their sessions are released with the runtime. */
export function operateOf(runtime: Runtime): Operate {
  const operate = known.get(runtime) ?? createOperate(runtime);
  known.set(runtime, operate);
  return operate;
}

/** Runs any operator, also one that a user wrote a moment ago. Throws where shapes disagree, before anything runs. */
export function createOperate(runtime: Runtime): Operate {
  const opened = new Map<AnyDefinition, Map<string, Promise<Session>>>();
  const order: { definition: AnyDefinition; key: string }[] = [];

  async function sessionFor(definition: AnyDefinition, params: Bound['params'], sizes: Sizes): Promise<Session> {
    const key = JSON.stringify([params, sizes]);
    const ofOperator = opened.get(definition) ?? new Map<string, Promise<Session>>();
    opened.set(definition, ofOperator);
    const known = ofOperator.get(key);
    if (known) return known;
    const made = runtime.create(operatorGraph(definition, params, sizes, runtime.device).encode());
    ofOperator.set(key, made);
    order.push({ definition, key });
    made.catch(() => ofOperator.delete(key));
    if (order.length > mostSessions) {
      const oldest = order.shift()!;
      const session = opened.get(oldest.definition)?.get(oldest.key);
      opened.get(oldest.definition)?.delete(oldest.key);
      session?.then(
        (s) => s.release(),
        () => undefined,
      );
    }
    return made;
  }

  return (async (
    operator: AnyOperator,
    given: Readonly<Record<string, OperatorInput>>,
    settings?: Readonly<Record<string, number | string | boolean>>,
    { sizes: said, now, by = 'graph' }: OperateOptions = {},
  ): Promise<Record<string, OperatorResult>> => {
    const { definition, params } = bind(operator, settings);
    const read = Object.fromEntries(
      Object.entries(given).flatMap(([name, input]) =>
        input === undefined ? [] : [[name, readInput(definition.name, name, input)]],
      ),
    );
    const sizes = readSizes(definition, read, said);
    const { T = 0 } = sizes;
    const moment: Moment = { step: 0, seen: T, promptLength: T, layer: 0, seed: 0, ...now, sizes };
    const inputs = withMade(definition, params, withStates(definition, read, sizes), moment);
    const specs = resultSpecs(definition);
    if (by === 'reference' || !definition.graph) {
      const found = definition.reference(inputs, params as never, moment);
      const result = ([name, spec]: [string, Specs[string]]) => [name, toResult(spec, found[name]!, 'reference')];
      return Object.fromEntries(Object.entries(specs).map(result));
    }
    const session = await sessionFor(definition, params, fixedSizes(sizes));
    const entering = { ...definition.inputs, ...definition.state };
    const feeds = Object.entries(entering).map(([name, spec]) => [
      enteringName(definition, name),
      toRuntime(spec, inputs[name]!),
    ]);
    // An input that the graph does not use is no input of the session.
    const used = feeds.filter(([name]) => session.inputs.includes(name as string));
    const found = await session.run(Object.fromEntries(used), Object.keys(specs));
    return Object.fromEntries(
      Object.entries(specs).map(([name, spec]) => [
        name,
        toResult(spec, found[name] as { dims: readonly number[]; data: Float32Array }, runtime.device),
      ]),
    );
  }) as Operate;
}

/** The definition and the complete parameters of an operator in any form. */
export function bind(
  operator: AnyOperator,
  settings: Readonly<Record<string, number | string | boolean>> = {},
): { definition: AnyDefinition; params: Bound['params'] } {
  const bound = 'operator' in operator;
  const definition = (bound ? operator.operator : 'definition' in operator ? operator.definition : operator) as
    | AnyDefinition
    | undefined;
  if (typeof definition?.reference !== 'function')
    throw new TypeError('operate: the first argument is no operator; give what operator({ … }) returns');
  return {
    definition,
    params: resolveParams(definition.name, definition.params, { ...(bound ? operator.params : {}), ...settings }),
  };
}

/** The inputs, with states that were left out as they are for entries that were never seen. */
function withStates(definition: AnyDefinition, read: Record<string, Tensor>, sizes: Sizes): Record<string, Tensor> {
  const inputs = { ...read };
  for (const [name, { dims, start = 0 }] of Object.entries(definition.state ?? {})) {
    if (inputs[name]) continue;
    const shape = dims.map((d) => (typeof d === 'number' ? d : sizes[d]));
    if (shape.some((d) => d === undefined))
      throw new TypeError(`${definition.name}: the state ${name} [${dims.join(', ')}] is missing; give its start`);
    inputs[name] = tensor(shape as number[]);
    inputs[name].data.fill(start);
  }
  return inputs;
}

/** The inputs, with those that are made where the caller gave none: the entries stand at 0, 1, 2, ..., the queries last. */
function withMade(
  definition: AnyDefinition,
  params: Bound['params'],
  given: Record<string, Tensor>,
  now: Moment,
): Record<string, Tensor> {
  if (Object.keys(definition.made ?? {}).every((name) => given[name])) return given;
  const { Hkv = 1, G = 1, Q = 1, T = Q } = now.sizes;
  const kvHeads = Array.from({ length: Hkv }, (_, h) => h);
  const positions = Array.from({ length: T }, (_, t) => now.seen - T + t);
  const at = { kvHeads, group: G, queries: positions.slice(T - Q), entries: kvHeads.map(() => positions) };
  const made = Object.entries(madeInputs(definition, params, now, at)).map(([name, data]) => {
    const dims = definition.inputs[name]!.dims.map((d) => (typeof d === 'number' ? d : now.sizes[d]!));
    return [name, tensor(dims, data)];
  });
  return { ...Object.fromEntries(made), ...given };
}
