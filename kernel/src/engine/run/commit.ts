/** What a step writes down once all its layers have run: rows, columns, surprise. */
import { columnsOf, timeOrder } from '../attend/columns.ts';
import type { Form } from '../attend/form.ts';
import { port } from '../attend/graph.ts';
import { append, type CacheLayer } from '../cache/layer.ts';
import type { Reading } from '../fetch/reading.ts';
import { keptAs } from '../keep/parts.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { logSumExp } from './sampler.ts';
import type { Sequence } from './sequence.ts';

/** Notes how surprising each new token was: minus ln of the probability that the row before it gave. */
export function surprise(sequence: Sequence, ids: readonly number[], logits: Float32Array): void {
  const V = sequence.model.config.vocabulary;
  for (const [i, id] of ids.entries()) {
    const before = i === 0 ? sequence.lastLogits : logits.subarray((i - 1) * V, i * V);
    sequence.nll.push(before ? logSumExp(before) - before[id]! : 0);
  }
  sequence.lastLogits = logits.slice(logits.length - V);
}

/** What a layer's run changes in its cache and in the registers of its scores; called once all layers have run. */
export function commit(
  layer: CacheLayer,
  reading: Reading,
  form: Form,
  got: Record<string, Tensor>,
  rows: { keys: Float32Array; values: Float32Array },
  position: Int32Array,
  registers: Map<string, Float32Array>,
): () => void {
  const Q = position.length;
  return () => {
    const written: (() => void)[] = [];
    for (const spliced of form.scores) {
      const { operator } = spliced.score;
      for (const [name, { dims }] of Object.entries({ ...operator.state, ...operator.outputs })) {
        const kept = keptAs(spliced.part, name);
        const blocks = layer.tables.map((_, h) => got[port(`score.${kept}`, form.apart ? h : undefined)]!);
        if (!dims.some((d) => d === 'T' || d === 'Q')) {
          const all = (form.apart ? blocks : blocks.slice(0, 1)).flatMap(({ data }) =>
            Array.from(data as Float32Array),
          );
          registers.set(kept, Float32Array.from(all));
          continue;
        }
        layer.tables.forEach((table, h) => {
          const { data, dims: shape } = blocks[h]!;
          const [width, block] = [shape[1]!, form.apart ? 0 : h];
          const row = (data as Float32Array).subarray(block * width, (block + 1) * width);
          const { start, fresh } = columnsOf(reading.cache, form, h, Q);
          const { count, columns } = table;
          const seen = reading.cache.tables[h]!;
          const [stores, slots] = [seen.store.keys, seen.slot.keys];
          const origin = reading.origin?.[h];
          if (dims[1] === 'Q') written.push(() => columns.get(kept)!.set(row, count));
          else if (spliced.ordered) {
            const order = timeOrder(reading.cache, form, h, Q);
            const byColumn = new Map(Array.from(order, (column, i) => [column, row[width - order.length + i]!]));
            for (let e = 0; e < seen.count; e++)
              columns.get(kept)![origin ? origin[e]! : e] = byColumn.get(start[stores[e]!]! + slots[e]!)!;
            written.push(() => {
              for (let q = 0; q < Q; q++) columns.get(kept)![count + q] = byColumn.get(fresh + q)!;
            });
          } else {
            const column = columns.get(kept)!;
            if (origin) for (let e = 0; e < seen.count; e++) column[origin[e]!] = row[start[stores[e]!]! + slots[e]!]!;
            else for (let e = 0; e < seen.count; e++) column[e] = row[start[stores[e]!]! + slots[e]!]!;
            written.push(() => columns.get(kept)!.set(row.subarray(fresh, fresh + Q), count));
          }
        });
      }
    }
    append(layer, rows, position);
    for (const write of written) write();
  };
}
