/** Half: exact rows at 16 bits, the precision that the papers' byte counts assume. */
import { roundToHalf } from '../graph/half.ts';
import { neutral } from '../neutral.ts';
import type { Encoding } from './encoding.ts';

export const half: Encoding = {
  ...neutral('half', 'encode', '16 bits'),
  name: 'half',
  neutral: false,
  stores: 'either',
  grain: 1,
  exact: true,
  bits: 16,
  codes: { rows: { type: 'half', per: 'entry', dims: (D) => [D], role: 'payload' } },
  write: (g, rows) => ({ rows: roundToHalf(g, rows) }),
  read: (g, { rows }) => g.cast(rows!, 'f32'),
  claimedBytes: (entries, headSize) => entries * headSize * 2,
};
