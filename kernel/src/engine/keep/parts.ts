/** A score may be made of parts: each has columns and registers of its own, and the keep pass blends them. */
import type { Blend, Bound } from '@kvlab/ops';

/** One of the scores that run in every step; the only part of a plain score has no name. */
export interface ScorePart {
  part: string;
  score: Bound;
}

const isBlend = (score: Bound): score is Blend => 'parts' in score;

export function partsOf(score: Bound): readonly ScorePart[] {
  if (score.neutral) return [];
  if (!isBlend(score)) return [{ part: '', score }];
  return Object.entries(score.parts).map(([part, { score: own }]) => ({ part, score: own }));
}

/** Name of the column or register in which a part keeps an output or a state. */
export const keptAs = (part: string, name: string): string => (part ? `${part}.${name}` : name);

/** A state that belongs to entries; any other is a register of its layer. */
export const isColumn = ({ operator }: Bound, state: string): boolean =>
  operator.state?.[state]?.dims.includes('T') ?? true;

/** Every column that a score keeps in the tables. */
export function columnsOfScore(score: Bound): readonly string[] {
  const own = partsOf(score).flatMap(({ part, score: each }) => [
    keptAs(part, 'score'),
    ...Object.keys(each.operator.state ?? {})
      .filter((state) => isColumn(each, state))
      .map((state) => keptAs(part, state)),
  ]);
  return [...new Set([...(score.neutral ? [] : ['score']), ...own])];
}

/** Columns of the parts in their order, and their weights [N]; undefined for a score that is not made of parts. */
export function blended(score: Bound): { columns: readonly string[]; weights: readonly number[] } | undefined {
  if (!isBlend(score)) return undefined;
  return {
    columns: Object.keys(score.parts).map((part) => keptAs(part, 'score')),
    weights: Object.values(score.parts).map(({ weight }) => weight),
  };
}
