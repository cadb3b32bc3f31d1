/** SnapKV's vote as its sources set it: the options of `windowAttention` that several methods share. */
export type Pool = 'max' | 'mean' | 'none';
export type Reduce = 'sum' | 'mean' | 'max';

/** The paper's (arXiv:2404.14469, section 5). */
export const vote = { window: 32, kernel: 7, pool: 'max' as Pool, reduce: 'sum' as Reduce };
/** KVCache-Factory and the authors' repository, at the settings with which their runs start. */
export const authorsVote = { kernel: 5, pool: 'mean' } as const;
/** NVIDIA kvpress 0.5.5: the mean over the window and over the query heads of a group. */
export const kvpressVote = { window: 64, kernel: 5, pool: 'mean', reduce: 'mean' } as const;
/** What the window's own columns score: nothing where a zone keeps them, the most where whole chunks compete. */
export const ownScore = { entries: 'zero', chunks: 'highest' } as const;
