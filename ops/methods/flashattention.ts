/** FlashAttention: exact attention in tiles, with a running maximum and sum. */
import { everything } from '../allocate/everything.ts';
import { tiled } from '../attend/tiled.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const flashAttention = method(
  'FlashAttention',
  { tile: 64 },
  (o) => ({
    when: [],
    score: nothing,
    allocate: everything,
    select: zones({ body: rest }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: tiled({ tile: o.tile }),
  }),
  { paper: 'arXiv:2205.14135', checked: "authors' code", departures: ['tiles of a step side by side'] },
);
