/** Votes of the last queries while text is written: a step brings one query, the others of the window come from memory. */
import type { Method } from '@kvlab/ops';
import { type RotaryTable, rotateRow } from '../attend/rotary.ts';
import type { CacheLayer } from '../cache/layer.ts';
import { inTimeOrder } from '../cache/table.ts';
import { readScoreInput, type ScoreFacts } from './score.ts';

/** Queries that a method has to remember: those of its observation window, where it selects while text is written. */
export function recalledRows({ declaration: { score, attend }, when }: Method): number {
  const writing = when.some((w) => w === 'step' || typeof w === 'object');
  const looks = score.needs.find((n) => n.of === 'attention');
  const rows = looks && 'rows' in looks ? looks.rows : undefined;
  if (!writing || score.operator.state || !rows?.last || !attend.ruleOf('fresh').storesRotated) return 0;
  const window = rows.last - (rows.guests ?? 0);
  return window > 1 ? window : 0;
}

/** Scores every entry of a layer by the attention of the remembered queries over what is held. */
export async function scoreByRecall(
  { declaration: { score } }: Method,
  layer: CacheLayer,
  layerIndex: number,
  facts: ScoreFacts,
  rotary: RotaryTable,
  now: { step: number; seen: number; promptLength: number; seed: number },
): Promise<void> {
  const tail = facts.queries(layerIndex);
  if (!tail) return;
  const { tables } = layer;
  const equal = tables.every(({ count }) => count === tables[0]!.count);
  for (const heads of equal ? [[...tables.keys()]] : [...tables.keys()].map((h) => [h])) {
    const orders = heads.map((h) => inTimeOrder(tables[h]!));
    const attention = attentionOf(layer, layerIndex, heads, orders, tail, facts, rotary, now.seen);
    const sizes = { Hkv: heads.length, Hq: heads.length * facts.group, G: facts.group, D: layer.shape.headSize };
    const moment = { ...now, layer: layerIndex };
    const found = await facts.operate(score, { attention }, undefined, { sizes, now: moment });
    const T = orders[0]!.length;
    heads.forEach((h, i) => {
      const column = tables[h]!.columns.get('score')!;
      orders[i]!.forEach((entry, t) => {
        column[entry] = Number(found.score!.data[i * T + t]);
      });
    });
  }
}

/** Causal softmax rows [Hq, Q, T] of the last queries, which carry 1/sqrt(D), over the entries of each head in time order. */
function attentionOf(
  layer: CacheLayer,
  layerIndex: number,
  heads: readonly number[],
  orders: readonly Int32Array[],
  { data, rows }: { data: Float32Array; rows: number },
  facts: ScoreFacts,
  rotary: RotaryTable,
  seen: number,
): { dims: readonly number[]; data: Float32Array } {
  const { headSize: D } = layer.shape;
  const T = orders[0]!.length;
  const keys = readScoreInput('keys', layer, layerIndex, heads, orders, facts).data;
  const out = new Float32Array(heads.length * facts.group * rows * T);
  heads.forEach((h, i) => {
    const position = layer.tables[h]!.position;
    for (let member = 0; member < facts.group; member++)
      for (let r = 0; r < rows; r++) {
        const at = seen - rows + r;
        const from = ((h * facts.group + member) * rows + r) * D;
        const query = rotateRow(data.subarray(from, from + D), at, rotary);
        const row = out.subarray(
          ((i * facts.group + member) * rows + r) * T,
          ((i * facts.group + member) * rows + r + 1) * T,
        );
        let top = Number.NEGATIVE_INFINITY;
        for (let t = 0; t < T; t++) {
          if (position[orders[i]![t]!]! > at) continue;
          let product = 0;
          for (let d = 0; d < D; d++) product += query[d]! * keys[(i * T + t) * D + d]!;
          row[t] = product;
          top = Math.max(top, product);
        }
        let sum = 0;
        for (let t = 0; t < T; t++) {
          row[t] = position[orders[i]![t]!]! > at ? 0 : Math.exp(row[t]! - top);
          sum += row[t]!;
        }
        for (let t = 0; t < T; t++) row[t] = row[t]! / sum;
      }
  });
  return { dims: [heads.length * facts.group, rows, T], data: out };
}
