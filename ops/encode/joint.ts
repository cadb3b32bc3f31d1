/** Rows that all KV heads share can be written only while all heads hold the same tokens. */
import type { Method, Part } from '../method.ts';

/** Throws where heads choose for themselves and some zone has one row for all of them, naming both operators. */
export function refuseJointByHead({ name, zones, encodingOf, declaration }: Method): void {
  const { score, select, allocate } = declaration;
  const chooses = [...select.keys, ...select.values].find(({ rule }) => rule.needsScore);
  const ownScores = chooses && !score.neutral && score.operator.scope === 'head' && score.params.heads !== 'mean';
  const ownAmounts = allocate.fits?.length || allocate.reads === 'scores';
  if (!ownScores && !ownAmounts) return;
  const why = ownScores
    ? `select ${chooses.rule.title} by ${score.title} chooses for each head`
    : `allocate ${allocate.title} gives each head its own amount`;
  for (const zone of zones)
    for (const part of ['keys', 'values'] satisfies Part[]) {
      const encoding = encodingOf(zone, part);
      if (encoding.joint)
        throw new Error(
          `${name}: encode ${encoding.title} (${part} of zone ${zone}) writes one row for all KV heads, but ${why}; score the whole layer, or use a code for each head`,
        );
    }
}
