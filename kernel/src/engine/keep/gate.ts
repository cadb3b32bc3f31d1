/** Selection before attention: what will leave in this step is not seen inside it by tokens that come after it has left. */
import { assignZones, type Fitted, leaves, type Method } from '@kvlab/ops';
import type { CacheLayer } from '../cache/layer.ts';
import { fittedInputs } from '../fit/inputs.ts';
import type { Projection } from '../model/load.ts';
import type { Operate } from '../operate/operate.ts';
import { checkScore } from './score.ts';

export interface Judged {
  /** Scores [Q] of the new tokens for each KV head. */
  scores: Float32Array[];
  /** For each KV head 1 for the new tokens and for the held entries that stay whatever their place in the text. */
  passed: { fresh: Uint8Array[]; held: Uint8Array[] };
}

export const judgesBefore = ({ when }: Method): boolean => when.includes('before attention');

/** Scores the new tokens of a layer by themselves, and asks the rules that look at scores alone. */
export async function judge(
  method: Method,
  layer: CacheLayer,
  layerIndex: number,
  { hidden, queries, keys, values }: Projection,
  position: Int32Array,
  { kvHeads, group, headSize }: { kvHeads: number; group: number; headSize: number },
  { operate, fitted }: { operate: Operate; fitted: Fitted | undefined },
): Promise<Judged> {
  const { score, select } = method.declaration;
  const Q = position.length;
  const heads = kvHeads * group;
  const rows = {
    hidden: { dims: [Q, hidden!.length / Q], data: hidden! },
    queries: { dims: [heads, Q, headSize], data: queries.map((v) => v * Math.sqrt(headSize)) },
    keys: { dims: [kvHeads, Q, headSize], data: keys },
    values: { dims: [kvHeads, Q, headSize], data: values },
  };
  const wanted = Object.entries(rows).filter(([name]) => name in score.operator.inputs);
  const inputs = { ...Object.fromEntries(wanted), ...fittedInputs(score, fitted, layerIndex) };
  const sizes = { Hkv: kvHeads, Hq: heads, G: group, D: headSize };
  const { score: result } = await operate(score, inputs, undefined, { sizes });
  const scores = Array.from({ length: kvHeads }, (_, h) =>
    Float32Array.from(result!.data.subarray(h * Q, (h + 1) * Q)),
  );
  const rules = select.keys.filter(({ rule }) => !rule.byPosition);
  const pass = (score: Float32Array, position: Int32Array): Uint8Array => {
    const count = score.length;
    const zones = assignZones(rules, method.zones, { count, position, score, seen: 0 }, new Uint8Array(count), all);
    return zones.map((zone) => (zone === leaves ? 0 : 1));
  };
  for (const [h, own] of scores.entries())
    for (const [q, value] of own.entries()) checkScore(score, value, layerIndex, h, position[q]!);
  return {
    scores,
    passed: {
      fresh: scores.map((own) => pass(own, position)),
      held: layer.tables.map(({ count, columns, position: at }) => pass(columns.get('score')!.subarray(0, count), at)),
    },
  };
}

const all = (): number => Number.POSITIVE_INFINITY;
