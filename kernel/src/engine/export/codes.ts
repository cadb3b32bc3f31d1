/** Codes in the graph of a step: rows that enter a zone with an encoding are written, and read back as a query would see them. */
import {
  asksQueries,
  codesOfStore,
  type GraphBuilder,
  type Method,
  type Part,
  type Value,
  type ZoneRule,
} from '@kvlab/ops';
import { leastCommonMultiple } from '../keep/pass.ts';
import type { StepTensors, StepZones } from './step-tensors.ts';

/** Adds `codes.<zone>.<part>.<code>` and `read.<zone>.<part>`, oldest entries first and whole batches only. Where heads may
 *  choose differently each has outputs of its own, with `@` and its number. */
export function addCodes(
  g: GraphBuilder,
  method: Method,
  x: StepTensors,
  zones: Record<Part, StepZones>,
  amountOf: (rule: ZoneRule) => readonly number[],
): void {
  const Hkv = g.sizes.Hkv!;
  const { score, select } = method.declaration;
  const equal = [...select.keys, ...select.values].every((rule) => new Set(amountOf(rule)).size === 1);
  const alike = equal && (score.neutral || score.operator.scope === 'layer');
  for (const [number, zone] of method.zones.entries())
    for (const part of ['keys', 'values'] as const) {
      const encoding = method.encodingOf(zone, part);
      if (encoding.exact) continue;
      const coming = g.and(
        g.equal(zones[part].after, number),
        g.not(g.equal(zones[part].before, number)), // [Hkv, T]
      );
      const heads = alike || encoding.joint ? [undefined] : Array.from({ length: Hkv }, (_, h) => h);
      for (const head of heads) {
        const at = head ?? 0;
        const suffix = head === undefined ? '' : `@${head}`;
        const mask = g.squeeze(g.slice(coming, 0, at, at + 1, 1), 0); // bool [T]
        const own = (v: Value) => (head === undefined ? v : g.slice(v, 0, head, head + 1, 1));
        const rows = wholeBatches(g, own(x[part]), mask, grainOf(method, zone, part), `${zone}${suffix}`);
        const fitted = codesOfStore(encoding.codes).filter(([, code]) => code.fitted);
        const given = fitted.map(([name, code]) => {
          const axes = [code.joint ? 1 : 'Hkv', ...code.dims(g.sizes.D!)];
          return [name, own(g.input(`fitted.${zone}.${part}.${name}`, 'f32', axes))] as const;
        });
        const known = Object.fromEntries(given);
        const peaks = asksQueries(encoding) ? own(queryPeaks(g, x.queries)) : undefined;
        const learnt = encoding.learn?.(g, rows, known, { queryPeaks: peaks }) ?? {};
        const written = encoding.write(g, rows, { ...known, ...learnt });
        for (const [name, value] of Object.entries({ ...learnt, ...written }))
          g.output(`codes.${zone}.${part}.${name}${suffix}`, value);
        const read = encoding.read(g, { ...known, ...learnt, ...written });
        g.output(`read.${zone}.${part}${suffix}`, read);
      }
    }
}

/** Entries that are written together: parts that share their zones move together. */
function grainOf(method: Method, zone: string, part: Part): number {
  const { select } = method.declaration;
  const own = method.encodingOf(zone, part).grain;
  const other = method.encodingOf(zone, part === 'keys' ? 'values' : 'keys').grain;
  return select.keys === select.values ? leastCommonMultiple(own, other) : own;
}

/** Rows [H, T, D] where the mask is set, without those that fill no whole batch: [H, n, D]. */
function wholeBatches(g: GraphBuilder, x: Value, mask: Value, grain: number, name: string): Value {
  const n = `n.${name}`;
  const all = g.node('Compress', [x, mask], [{ type: 'f32', dims: [x.dims[0]!, n, 'D'] }], { axis: 1 })[0]!;
  if (grain === 1) return all;
  const length = g.slice(g.shape(all), 0, 1, 2, 1); // i64 [1]
  const over = g.node('Mod', [length, g.constant('i64', [grain], [1])], [{ type: 'i64', dims: [1] }])[0]!;
  return g.slice(all, 1, 0, g.sub(length, over), n);
}

/** Largest |query| of each channel over the queries of a group [Hkv, D]. */
const queryPeaks = (g: GraphBuilder, queries: Value): Value =>
  g.reduceMax(g.abs(g.reshape(queries, ['Hkv', 'GQ', 'D'])), 1);
