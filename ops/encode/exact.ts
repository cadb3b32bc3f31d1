/** Exact: rows as the model computed them, in the run's own precision (f32). Papers count such rows at 16 bits. */
import { neutral } from '../neutral.ts';
import type { Encoding } from './encoding.ts';

export const exact: Encoding = {
  ...neutral('exact', 'encode', 'exact'),
  name: 'exact',
  stores: 'either',
  grain: 1,
  exact: true,
  bits: 32,
  codes: { rows: { type: 'f32', per: 'entry', dims: (D) => [D], role: 'payload' } },
  write: (_, rows) => ({ rows }),
  read: (_, { rows }) => rows!,
  claimedBytes: (entries, headSize) => entries * headSize * 2,
};
