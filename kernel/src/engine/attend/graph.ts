/** The attention graph of a form: read every store, rotate, softmax over all of it, and let a score operator look on.
 *
 *  It holds no weights and is shared by all layers. Scores of stores are concatenated, never keys or values. One bias for
 *  each store carries padding, weights and windows. Letters: F new keys (as many as Q), P<i> slots of a key store, U<i> of a
 *  value store, C all columns (P0 + P1 + … + F), T columns in time order, R rows of the rotary tables. */
import { codeAxes, codeType, type GraphBuilder, graphBuilder, type Mixed, mixRows, type Value } from '@kvlab/ops';
import type { Form, FormStore } from './form.ts';
import { type Seen, spliceScore } from './splice.ts';

/** Names of inputs and outputs; a block of one head carries its number. */
export const port = (name: string, block: number | undefined): string =>
  block === undefined ? name : `${name}@${block}`;

/** Builds the graph; `encode()` gives the bytes of the file. */
export function attendGraph(form: Form): GraphBuilder {
  const { kvHeads, group, headSize } = form;
  const H = form.apart ? 1 : kvHeads;
  const g = graphBuilder('attend', { Hkv: H, Hq: H * group, G: group, D: headSize, K: kvHeads }, form.device);
  const queries = g.input('queries', 'f32', ['K', 'GQ', 'D']);
  const keys = g.input('keys', 'f32', ['K', 'F', 'D']);
  const values = g.input('values', 'f32', ['K', 'F', 'D']);
  const shared = {
    cos: g.input('cos', 'f32', ['R', headSize / 2]),
    sin: g.input('sin', 'f32', ['R', headSize / 2]),
    freshBias: g.input('bias.fresh', 'f32', form.gated ? ['K', 'GQ', 'F'] : ['GQ', 'F']),
  };
  const outputs: Value[] = [];
  const stored: Value[] = [];
  for (let block = 0; block < (form.apart ? kvHeads : 1); block++) {
    const own = (x: Value) =>
      form.apart ? g.slice(x, 0, block, block + 1, 1) : { ...x, dims: ['Hkv', ...x.dims.slice(1)] };
    const result = attendBlock(g, form, form.apart ? block : undefined, {
      ...shared,
      freshBias: form.gated ? own(shared.freshBias) : shared.freshBias,
      queries: own(queries),
      keys: own(keys),
      values: own(values),
    });
    outputs.push(result.output);
    stored.push(result.freshKeys);
  }
  g.output('output', g.concat(outputs, 0, 'K')); // [Hkv, G*Q, D]
  g.output('stored', g.concat(stored, 0, 'K')); // [Hkv, F, D] new keys as the cache keeps them
  return g;
}

/** A value store: its codes, and its rows [H, U, D] where they are restored. */
interface Held {
  encoding: FormStore['encoding'];
  codes: Record<string, Value>;
  rows(): Value;
}

interface BlockInputs {
  queries: Value;
  keys: Value;
  values: Value;
  cos: Value;
  sin: Value;
  freshBias: Value;
}

/** All heads at once, or one head. */
function attendBlock(g: GraphBuilder, form: Form, block: number | undefined, x: BlockInputs) {
  const name = (n: string) => port(n, block);
  const head = x.queries.dims[0]!;
  const rotate = (rows: Value, ids: Value, axis: string, perGroup: boolean): Value => {
    const four = perGroup ? g.reshape(rows, [head, 'G', axis, 'D']) : g.unsqueeze(rows, 1); // [H, G or 1, S, D]
    const turned = g.rotaryEmbedding(four, ids, x.cos, x.sin);
    return perGroup ? g.reshape(turned, [head, 'GQ', 'D']) : g.squeeze(turned, 1);
  };
  const queryIds = g.input(name('ids.queries'), 'i64', [head, 'Q']);
  const sliding = rotate(x.queries, queryIds, 'Q', true); // [H, G*Q, D]
  const anchored = form.keys.some((s) => s.anchored)
    ? rotate(x.queries, g.input(name('ids.anchored'), 'i64', [head, 'Q']), 'Q', true)
    : sliding;
  const rotatedKeys = rotate(x.keys, g.input(name('ids.keys'), 'i64', [head, 'F']), 'F', false); // [H, F, D]

  const past = form.keys.map((store, i): Value => {
    const P = `P${i}`;
    const bias = () => g.input(name(`bias.${i}`), 'f32', [head, form.perQuery ? 'GQ' : 1, P]);
    const looking = store.anchored ? anchored : sliding;
    if (form.attend.reads === 'codes' && form.rotated && store.encoding.dot) {
      const codes = storedCodes(g, form, store.encoding, name(`keys.${i}`), P, head);
      return g.add({ ...store.encoding.dot(g, looking, codes), dims: [head, 'GQ', P] }, bias());
    }
    const read = readStore(g, form, store, name(`keys.${i}`), P, head);
    const rows = form.rotated ? read : rotate(read, g.input(name(`ids.keys.${i}`), 'i64', [head, P]), P, false); // [H, P, D]
    return g.add(g.matMul(looking, g.transpose(rows, [0, 2, 1])), bias()); // [H, G*Q, P]
  });
  const fresh = g.add(g.matMul(sliding, g.transpose(rotatedKeys, [0, 2, 1])), x.freshBias); // [H, G*Q, F]
  const products = g.concat([...past, fresh], 2, 'C'); // [H, G*Q, C]
  if (form.products) g.output(name('products'), products);
  const held = form.values.map(({ encoding }, i): Held => {
    const slots = `U${i}`;
    const codes = storedCodes(g, form, encoding, name(`values.${i}`), slots, head);
    return { encoding, codes, rows: () => ({ ...encoding.read(g, codes), dims: [head, slots, 'D'] }) };
  });
  const restored = () => [...held.map(({ rows }) => rows()), x.values];
  const own = form.attend.mix ? mixedByOperator(g, form, name, [...past, fresh], restored()) : undefined;
  const exact = own ? undefined : g.softmax(products, 2);
  const attention = own?.lse ? g.exp(g.sub(products, own.lse)) : exact;
  if (attention) g.output(name('attention'), attention);
  else refuseLooking(form);
  const output = own?.output ?? mixedByShares(g, form, name, exact!, { past, fresh, held, values: x.values }, head);
  const readsValues = form.scores.some(({ score }) => score.operator.inputs['values']?.dims.includes('T'));
  const seen: Seen = {
    attention,
    products,
    queries: x.queries,
    rotatedQueries: sliding,
    outputs: output,
    keys: x.keys,
    values: x.values,
    hidden: () => g.input(name('hidden'), 'f32', ['Q', 'X']),
    heldValues: readsValues && form.aligned ? g.concat(restored(), 1, 'C') : undefined,
  };
  for (const spliced of form.scores) spliceScore(g, form, spliced, name, seen, head);
  return { output, freshKeys: form.rotated ? rotatedKeys : x.keys };
}

/** Throws where a score looks at attention rows that the attend slot does not tell. */
function refuseLooking({ scores, attend }: Form): void {
  const looking = scores.find(({ score }) => 'attention' in score.operator.inputs);
  if (looking)
    throw new Error(
      `score ${looking.score.operator.name}: it needs attention rows, and attend ${attend.operator.name} gives none; let it give lse, or take a score that reads keys`,
    );
}

/** Values of all stores and of the new rows, each by its share of the attention: [H, G*Q, D]. */
function mixedByShares(
  g: GraphBuilder,
  form: Form,
  name: (n: string) => string,
  attention: Value,
  { past, fresh, held, values }: { past: readonly Value[]; fresh: Value; held: readonly Held[]; values: Value },
  head: string | number,
): Value {
  const F = g.slice(g.shape(fresh), 0, 2, 3, 1);
  const freshShare = g.slice(attention, 2, g.neg(F), 2 ** 31, 'F'); // [H, G*Q, F]
  const mixed = [g.matMul(freshShare, values)];
  if (held.length) {
    const before = g.slice(attention, 2, 0, g.neg(F), 'past'); // [H, G*Q, C-F]
    const shares = valueShares(g, form, name, before, past, head);
    mixed.push(...held.map(({ encoding, codes }, i) => mixRows(g, encoding, shares[i]!, codes)));
  }
  return mixed.reduce((a, b) => g.add(a, b));
}

/** The same by the operator of the attend slot, which reads keys and values slot by slot. */
function mixedByOperator(
  g: GraphBuilder,
  { attend }: Form,
  name: (n: string) => string,
  logits: readonly Value[],
  values: readonly Value[],
): Mixed {
  const [head, rowsAxis] = logits[0]!.dims;
  const reads = logits.map((l, i) => ({ logits: l, values: { ...values[i]!, dims: [head!, l.dims[2]!, 'D'] } }));
  const fitted = Object.keys(attend.takes ?? {}).map((taken) => [
    taken,
    g.input(name(`fitted.${taken}`), 'f32', [head!, rowsAxis!, 1]),
  ]);
  const result = attend.mix!(g, reads, Object.fromEntries(fitted));
  for (const [measure, value] of Object.entries(result.measures ?? {})) g.output(name(`measure.${measure}`), value);
  return result;
}

/** The probabilities of each value store's slots, in its order. */
function valueShares(
  g: GraphBuilder,
  form: Form,
  name: (n: string) => string,
  before: Value,
  past: readonly Value[],
  head: string | number,
): Value[] {
  if (form.aligned) {
    if (past.length === 1) return [{ ...before, dims: [head, 'GQ', 'U0'] }];
    const sizes = g.concat(
      past.map((p) => g.slice(g.shape(p), 0, 2, 3, 1)),
      0,
    ); // i64 [stores]
    return g.split(
      before,
      2,
      form.values.map((_, i) => `U${i}`),
      sizes,
    );
  }
  const padded = g.pad(before, 0, 1, 0, 'past+1'); // a share of nothing for slots without an entry
  return form.values.map((_, i) => {
    const index = g.input(name(`order.values.${i}`), 'i32', [head, 1, `U${i}`]); // column of each slot
    const rows = g.slice(g.shape(before), 0, 0, 2, 2); // i64: H, G*Q
    const shape = g.concat([rows, g.slice(g.shape(index), 0, 2, 3, 1)], 0);
    return g.gatherElements(padded, g.expand(index, shape, [head, 'GQ', `U${i}`]), 2); // [H, G*Q, U]
  });
}

/** The rows of a store as f32 [H, slots, D]. */
function readStore(
  g: GraphBuilder,
  form: Form,
  { encoding }: FormStore,
  name: string,
  slots: string,
  head: string | number,
): Value {
  const rows = encoding.read(g, storedCodes(g, form, encoding, name, slots, head));
  return { ...rows, dims: [head, slots, 'D'] };
}

/** Every code of a store as an input. */
function storedCodes(
  g: GraphBuilder,
  form: Form,
  encoding: FormStore['encoding'],
  name: string,
  slots: string,
  head: string | number,
): Record<string, Value> {
  const codes = Object.entries(encoding.codes).map(([code, spec]): [string, Value] => {
    const rows = spec.per === 'entry' ? slots : `${slots}/B`;
    const axes = codeAxes<string | number>(spec, head, rows, form.headSize);
    return [code, g.input(`${name}.${code}`, codeType(spec, form.device), axes)];
  });
  return Object.fromEntries(codes);
}
