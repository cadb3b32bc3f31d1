/** Selection before attention: what will leave after the step is not seen inside it by any other token. */
import { type Allocated, assignZones, type Fitted, leaves, type Method } from '@kvlab/ops';
import { fittedInputs } from '../fit/inputs.ts';
import type { Projection } from '../model/load.ts';
import type { Operate } from '../operate/operate.ts';
import { checkScore } from './score.ts';

export interface Judged {
  /** Scores [Q] of the new tokens for each KV head. */
  scores: Float32Array[];
  /** 1 for those that leave. */
  unseen: Uint8Array[];
}

export const judgesBefore = ({ when }: Method): boolean => when.includes('before attention');

/** Scores the new tokens of a layer by themselves and selects among them. */
export async function judge(
  method: Method,
  layer: number,
  { hidden, queries, keys, values }: Projection,
  position: Int32Array,
  { kvHeads, group, headSize }: { kvHeads: number; group: number; headSize: number },
  { operate, fitted, allocated }: { operate: Operate; fitted: Fitted | undefined; allocated: Allocated | undefined },
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
  const inputs = { ...Object.fromEntries(wanted), ...fittedInputs(score, fitted, layer) };
  const sizes = { Hkv: kvHeads, Hq: heads, G: group, D: headSize };
  const { score: result } = await operate(score, inputs, undefined, { sizes });
  const scores = Array.from({ length: kvHeads }, (_, h) =>
    Float32Array.from(result!.data.subarray(h * Q, (h + 1) * Q)),
  );
  const unseen = scores.map((own, h) => {
    for (const [q, value] of own.entries()) checkScore(score, value, layer, h, position[q]!);
    const candidates = { count: Q, position, score: own, seen: position[Q - 1]! + 1 };
    const amountOf = (zone: string) => allocated?.get(zone)?.[layer * kvHeads + h] ?? Number.POSITIVE_INFINITY;
    const zones = assignZones(select.keys, method.zones, candidates, new Uint8Array(Q), amountOf);
    return zones.map((zone) => (zone === leaves ? 1 : 0));
  });
  return { scores, unseen };
}
