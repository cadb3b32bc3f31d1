/** Rows: softmax attention over every entry that was read, with a position rule for each zone. */
import { neutral } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import { absolute, type PositionRule } from './positions.ts';

export interface Attend extends Bound {
  /** The position rule of a zone. */
  ruleOf(zone: string): PositionRule;
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
