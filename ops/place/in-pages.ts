/** In pages: rows stay on the device, in memory that a pager hands out. */
import { neutral, oneTier } from '../neutral.ts';
import type { Pager } from './pager.ts';
import type { Place } from './place.ts';

export const inPages = (pager: Pager): Place => ({
  ...oneTier,
  ...neutral(pager.name, 'place', pager.title),
  neutral: false,
  pager,
});
