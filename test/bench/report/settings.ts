/** The setting in which the bench measures a method: a fifth of the cache where it selects entries, else its defaults. */
import { type MethodFactory, methods } from '@kvlab/ops';

const share = 0.2;
/** Where the share is one of heads, a fifth leaves nothing to compare. */
const ofHeads: Readonly<Record<string, object>> = { razorAttention: { keep: 0.5 }, duoAttention: { keep: 0.7 } };

export const settings: Readonly<Record<string, object>> = Object.fromEntries(
  Object.entries(methods as unknown as Record<string, MethodFactory<object>>).map(([name, { about }]) => [
    name,
    ofHeads[name] ?? (about.total ? { keep: share } : {}),
  ]),
);
