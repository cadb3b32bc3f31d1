/** What a step writes down once all its layers have run: rows, columns, surprise, last queries. */
import { columnsOf, timeOrder } from '../attend/feeds.ts';
import type { Form } from '../attend/form.ts';
import { port } from '../attend/graph.ts';
import { append, type CacheLayer } from '../cache/layer.ts';
import type { Model } from '../model/load.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { logSumExp } from './sampler.ts';
import type { Sequence } from './sequence.ts';

/** Raw queries [Hkv, G*rows, D]. */
export interface Tail {
  data: Float32Array;
  rows: number;
}

/** Notes how surprising each new token was: minus ln of the probability that the row before it gave. */
export function surprise(sequence: Sequence, ids: readonly number[], logits: Float32Array): void {
  const V = sequence.model.config.vocabulary;
  for (const [i, id] of ids.entries()) {
    const before = i === 0 ? sequence.lastLogits : logits.subarray((i - 1) * V, i * V);
    sequence.nll.push(before ? logSumExp(before) - before[id]! : 0);
  }
  sequence.lastLogits = logits.slice(logits.length - V);
}

/** The last `most` rows of queries, old ones first. */
export function joinTail(
  old: Tail | undefined,
  added: Tail,
  most: number,
  { queryHeads, headSize }: Model['config'],
): Tail {
  const rows = Math.min(most, (old?.rows ?? 0) + added.rows);
  const data = new Float32Array(queryHeads * rows * headSize);
  for (let head = 0; head < queryHeads; head++)
    for (const [from, skip] of [
      [old, rows - added.rows],
      [added, rows],
    ] as const) {
      if (!from || skip <= 0) continue;
      const take = Math.min(from.rows, from === added ? rows : skip);
      const source = from.data.subarray(((head + 1) * from.rows - take) * headSize, (head + 1) * from.rows * headSize);
      data.set(source, (head * rows + (from === added ? rows - take : 0)) * headSize);
    }
  return { data, rows };
}

/** What a layer's run changes in its cache; called once all layers have run. */
export function commit(
  layer: CacheLayer,
  form: Form,
  got: Record<string, Tensor>,
  rows: { keys: Float32Array; values: Float32Array },
  position: Int32Array,
): () => void {
  const Q = position.length;
  return () => {
    const written: (() => void)[] = [];
    const names = new Set(
      Object.keys(got)
        .filter((n) => n.startsWith('score.'))
        .map((n) => n.slice('score.'.length).split('@')[0]!),
    );
    for (const name of names)
      layer.tables.forEach((table, h) => {
        const tensor = got[port(`score.${name}`, form.apart ? h : undefined)]!;
        const width = tensor.dims[1]!;
        const row = (tensor.data as Float32Array).subarray(
          (form.apart ? 0 : h) * width,
          ((form.apart ? 0 : h) + 1) * width,
        );
        const result = form.score!.score.operator.outputs[name] ?? form.score!.score.operator.state![name]!;
        const { start, fresh } = columnsOf(layer, form, h, Q);
        const count = table.count;
        if (result.dims[1] === 'Q') written.push(() => table.columns.get(name)!.set(row, count));
        else if (form.score!.ordered) {
          const order = timeOrder(layer, form, h, Q);
          const byColumn = new Map(Array.from(order, (column, i) => [column, row[width - order.length + i]!]));
          for (let e = 0; e < count; e++)
            table.columns.get(name)![e] = byColumn.get(start[table.store.keys[e]!]! + table.slot.keys[e]!)!;
          written.push(() => {
            for (let q = 0; q < Q; q++) table.columns.get(name)![count + q] = byColumn.get(fresh + q)!;
          });
        } else {
          const column = table.columns.get(name)!;
          for (let e = 0; e < count; e++) column[e] = row[start[table.store.keys[e]!]! + table.slot.keys[e]!]!;
          written.push(() => table.columns.get(name)!.set(row.subarray(fresh, fresh + Q), count));
        }
      });
    append(layer, rows, position);
    for (const write of written) write();
  };
}
