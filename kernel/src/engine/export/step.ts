/** A step of a method as one standard ONNX graph: attention, scores, zones, codes, and what those that leave pass on.
 *
 *  It takes one layer as `lab.apply` does: queries [Hq, Q, D] (the newest Q tokens), keys and values [Hkv, T, D] of all entries
 *  in time order, and their positions [T]; rotary positions are applied by the caller. A prompt is one call with Q = T; a step
 *  of decoding has Q = 1 and brings `zone_before` and the states `previous_…` that the call before gave. Amounts are those of a
 *  prompt of the given length, since they are frozen there. */
import { type GraphBuilder, graphBuilder, type Method, type Part, type Value, type ZoneRule } from '@kvlab/ops';
import { allocateBudget } from '../keep/pass.ts';
import { addCodes } from './codes.ts';
import { addCompensation } from './compensation.ts';
import { refuseHostParts } from './host-parts.ts';
import { addScore } from './score.ts';
import type { StepTensors, StepZones } from './step-tensors.ts';

export interface StepSizes {
  queryHeads: number;
  kvHeads: number;
  headSize: number;
  /** Tokens of the prompt, of which amounts are shares. */
  promptLength: number;
}

const left = 255;

export function stepGraph(method: Method, sizes: StepSizes): GraphBuilder {
  refuseHostParts(method);
  const { queryHeads: Hq, kvHeads: Hkv, headSize: D, promptLength } = sizes;
  if (Hq % Hkv)
    throw new RangeError(`export: ${Hq} query heads cannot share ${Hkv} KV heads equally; give a multiple of ${Hkv}`);
  const g = graphBuilder(`${method.name}, one layer`, { Hq, Hkv, G: Hq / Hkv, D });
  const { select, compensate } = method.declaration;
  const x = attended(g, method, D);
  const score = addScore(g, method, x);
  const amounts = allocateBudget(method, 1, Hkv, D, promptLength);
  const amountOf = ({ zone, rule }: ZoneRule): readonly number[] =>
    Array.from({ length: Hkv }, (_, h) => rule.amount ?? amounts.get(zone)?.[h] ?? Number.POSITIVE_INFINITY);
  const assign = (rules: readonly ZoneRule[], suffix: string): StepZones => {
    const before = g.cast(g.input(`zone_before${suffix}`, 'i32', ['Hkv', 'T']), 'f32');
    const after = assigned(g, method, rules, { ...x, score, before }, amountOf);
    g.output(`zone${suffix}`, g.cast(after, 'i32'));
    return { before, after };
  };
  const joint = select.keys === select.values;
  const keys = assign(select.keys, joint ? '' : '.keys');
  const zones: Record<Part, StepZones> = { keys, values: joint ? keys : assign(select.values, '.values') };
  g.output('kept', g.less(keys.after, left));
  addCodes(g, method, x, zones, amountOf);
  if (!compensate.neutral) addCompensation(g, compensate, x, keys.after, left);
  return g;
}

/** Attention of the newest queries over all entries, each seeing itself and what came before. */
function attended(g: GraphBuilder, method: Method, D: number): StepTensors {
  const queries = g.input('queries', 'f32', ['Hq', 'Q', 'D']);
  const keys = g.input('keys', 'f32', ['Hkv', 'T', 'D']);
  const values = g.input('values', 'f32', ['Hkv', 'T', 'D']);
  const positions = g.input('position', 'i32', ['T']);
  const position = g.unsqueeze(g.cast(positions, 'f32'), 0); // [1, T]
  const count = g.slice(g.shape(queries), 0, 1, 2, 1); // i64 [1]
  const own = g.unsqueeze(g.squeeze(g.slice(position, 1, g.neg(count), 2 ** 31, 'Q'), 0), 1); // [Q, 1]
  const grouped = g.reshape(queries, ['Hkv', 'GQ', 'D']);
  const raw = g.mul(g.matMul(grouped, g.transpose(keys, [0, 2, 1])), 1 / Math.sqrt(D)); // [Hkv, GQ, T]
  const products = g.where(g.greater(position, own), -1e30, g.reshape(raw, ['Hq', 'Q', 'T']));
  const { attend } = method.declaration;
  const logits = g.reshape(products, ['Hkv', 'GQ', 'T']);
  const taken = Object.keys(attend.takes ?? {}).map((name) => [
    name,
    g.input(`fitted.${name}`, 'f32', ['Hkv', 'GQ', 1]),
  ]);
  const mixed = attend.mix?.(g, [{ logits, values }], Object.fromEntries(taken));
  const attention = mixed?.lse ? g.exp(g.sub(logits, mixed.lse)) : g.softmax(logits, 2);
  const output = g.reshape(mixed?.output ?? g.matMul(attention, values), ['Hq', 'Q', 'D']);
  g.output('output', output);
  const last = g.cast(g.squeeze(g.slice(position, 1, -1, 2 ** 31, 1), 0), 'i64');
  return {
    queries,
    keys,
    values,
    position,
    seen: g.add(last, g.constant('i64', [1], [1])),
    attention: g.reshape(attention, ['Hq', 'Q', 'T']),
    products,
    outputs: output,
  };
}

/** The zone of each entry after the rules of one part, which take from what earlier ones left. */
function assigned(
  g: GraphBuilder,
  { zones }: Method,
  rules: readonly ZoneRule[],
  { before, position, score, seen }: { before: Value; position: Value; score: Value; seen: Value },
  amountOf: (rule: ZoneRule) => readonly number[],
): Value {
  let after = g.add(g.mul(before, 0), left);
  for (const rule of rules) {
    const number = zones.indexOf(rule.zone);
    const above = g.cast(g.less(before, number + 1), 'f32');
    const candidates = {
      open: g.mul(g.cast(g.equal(after, left), 'f32'), above),
      held: g.cast(g.equal(before, number), 'f32'),
      position,
      score,
      seen,
    };
    const taken = rule.rule.graph!(g, candidates, amountOf(rule));
    after = g.where(g.greater(taken, 0), number, after);
  }
  return after;
}

/** Facts about the file that travel with it. */
export function stepMetadata(method: Method, sizes: StepSizes): Record<string, string> {
  const { name, paper, options, departures, zones, slots } = method;
  return {
    method: name,
    paper,
    parameters: JSON.stringify(options),
    sizes: JSON.stringify(sizes),
    zones: JSON.stringify(zones),
    slots: JSON.stringify(Object.fromEntries(slots.map(({ slot, text }) => [slot, text]))),
    departures: JSON.stringify(departures),
  };
}
