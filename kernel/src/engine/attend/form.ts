/** The form of an attention graph: everything about a cache that changes the graph, and nothing that does not.
 *
 *  Layers and steps of one form share one session; a method that changes its form (an empty store fills, heads grow apart)
 *  gets another small graph, never new weights. */
import type { Attend, Encoding, GraphDevice } from '@kvlab/ops';
import type { CacheLayer } from '../cache/layer.ts';
import type { ScorePart } from '../keep/parts.ts';

export interface FormStore {
  /** Index in the layer's list of stores. */
  index: number;
  encoding: Encoding;
  anchored: boolean;
}
/** A score operator that runs inside the graph. */
export interface SplicedScore extends ScorePart {
  /** Only this many of the newest query rows are seen; undefined = all. */
  lastRows?: number;
  /** T must be in time order. */
  ordered: boolean;
}
export interface Form {
  /** Graphs of two forms with one key are the same. */
  key: string;
  device: GraphDevice;
  kvHeads: number;
  group: number;
  headSize: number;
  /** One block of the graph for all heads, or one for each head. */
  apart: boolean;
  keys: readonly FormStore[];
  values: readonly FormStore[];
  /** Slots of keys and values are the same, so probabilities need no reordering. */
  aligned: boolean;
  rotated: boolean;
  /** Stored entries are masked query by query (windows inside a prompt chunk). */
  perQuery: boolean;
  /** New keys are masked head by head. */
  gated: boolean;
  /** Logits of attention are wanted too. */
  products: boolean;
  scores: readonly SplicedScore[];
  /** How logits and values become the output. */
  attend: Attend;
}

export function formOf(
  layer: CacheLayer,
  o: {
    device: GraphDevice;
    group: number;
    perQuery: boolean;
    gated?: boolean;
    products?: boolean;
    scores?: readonly SplicedScore[];
  },
): Form {
  const { shape, stores } = layer;
  const filled = (part: 'keys' | 'values'): FormStore[] =>
    stores[part].flatMap((store, index) =>
      store.capacity.some((n) => n > 0) ? [{ index, encoding: store.encoding, anchored: store.anchored }] : [],
    );
  const keys = filled('keys');
  const values = filled('values');
  const apart = [
    ...keys.map(({ index }) => stores.keys[index]!),
    ...values.map(({ index }) => stores.values[index]!),
  ].some((s) => s.apart);
  const names = (list: readonly FormStore[]) =>
    list.map((s) => `${s.index}:${s.encoding.name}${s.anchored ? '*' : ''}`).join('+');
  const looking = (o.scores ?? []).map(
    ({ part, score, lastRows }) => `${part}:${score.operator.name}${JSON.stringify(score.params)}${lastRows ?? ''}`,
  );
  const { gated = false, products = false } = o;
  const key = [o.device, names(keys), names(values), apart, shape.aligned, shape.rotated, o.perQuery, gated, products, attending(shape.attend), ...looking].join('|'); // biome-ignore format: one line
  const { kvHeads, headSize, aligned, rotated } = shape;
  return {
    key,
    kvHeads,
    group: o.group,
    headSize,
    apart,
    keys,
    values,
    aligned,
    rotated,
    perQuery: o.perQuery,
    gated,
    products,
    scores: o.scores ?? [],
    attend: shape.attend,
    device: o.device,
  };
}

const attending = ({ operator, params, reads, mix }: Attend): string =>
  reads || mix ? `${operator.name}${JSON.stringify(params)}` : '';

/** True where a score inside the graph reads the hidden state. */
export const readsHidden = ({ score }: SplicedScore): boolean => 'hidden' in score.operator.inputs;
