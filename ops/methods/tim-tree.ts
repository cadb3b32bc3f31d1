/** TIM tree: when a list of subtasks closes, its tokens leave the cache and only the conclusions stay. */
import { everything } from '../allocate/everything.ts';
import { contiguous } from '../attend/positions.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { beforeRotary, pipe } from '../encode/pipe.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { runAgainAfterHole } from '../pass/run-again-after-hole.ts';
import { taskTree } from '../segment/task-tree.ts';
import { openOrConcluded } from '../select/open-or-concluded.ts';
import { zones } from '../select/zones.ts';

export const timTree = method(
  'TIM tree',
  { keepLists: 1, again: false },
  (o) => ({
    when: 'segment end',
    passes: runAgainAfterHole({ again: o.again }),
    segment: taskTree(),
    score: nothing,
    allocate: everything,
    select: zones({ live: openOrConcluded(o.keepLists) }),
    compensate: nothing,
    encode: { keys: pipe(beforeRotary, exact), values: exact },
    place: oneTier,
    fetch: all,
    attend: rows({ at: contiguous }),
  }),
  {
    paper: 'arXiv:2507.16784',
    checked: 'the project page',
    departures: ['scripted trees; the parser is ours'],
  },
);
