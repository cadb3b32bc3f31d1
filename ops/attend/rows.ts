/** Rows: softmax attention over every entry that was read, with a position rule for each zone. */
import type { Fit } from '../fit/fit.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { neutral } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import { absolute, type PositionRule } from './positions.ts';

/** What is read of one store: logits [H, R, P] of R query rows, -1e30 where hidden, and values [H, P, D]. */
export interface Read {
  logits: Value;
  values: Value;
}
export interface Mixed {
  /** [H, R, D]. */
  output: Value;
  /** ln of the sum of exp of all logits of a row [H, R, 1]; without it nothing tells attention rows. */
  lse?: Value;
  /** Numbers to count, each [H, R, 1]. */
  measures?: Readonly<Record<string, Value>>;
}
/** With rows that can be told. */
export type Told = Mixed & { lse: Value };
export interface Attend extends Bound {
  /** The position rule of a zone. */
  ruleOf(zone: string): PositionRule;
  /** `codes`: products with the codes themselves, where an encoding knows how; rows are restored first unless said. */
  readonly reads?: 'codes';
  /** Takes the place of one softmax over all that was read. Keys and values lie in the same slots then. `fitted` holds the
   *  tensors of `takes`, one number for each query row [H, R, 1]. */
  mix?(g: GraphBuilder, reads: readonly Read[], fitted: Readonly<Record<string, Value>>): Mixed;
  /** What `mix` takes: tensors [L, Hq] of fits, or one number for all heads. */
  readonly takes?: Readonly<Record<string, { readonly fit: Fit; readonly tensor: string } | number>>;
}

export function rows({ at = absolute }: { at?: PositionRule | Readonly<Record<string, PositionRule>> } = {}): Attend {
  const single = 'place' in at ? (at as PositionRule) : undefined;
  const ruleOf = (zone: string) => single ?? (at as Readonly<Record<string, PositionRule>>)[zone] ?? absolute;
  const words = single
    ? single.name
    : Object.entries(at)
        .map(([zone, r]) => `${zone} ${r.name}`)
        .join(', ');
  return { ...neutral('rows', 'attend', `rows, ${words}`), neutral: single === absolute, ruleOf };
}
