/** Open or concluded: entries inside a closed list of subtasks leave, but for the conclusions of its own tasks.
 *
 *  Luo et al. 2025, arXiv:2507.16784: the last `keepLists` lists that closed are kept as they are. */
import type { Segment } from '../segment/segmentation.ts';
import type { Rule } from './rule.ts';

export function openOrConcluded(keepLists: number): Rule {
  const name = 'open or concluded';
  return {
    name,
    title: keepLists ? `${name}, ${keepLists} closed lists more` : name,
    byPosition: false,
    needsScore: false,
    choose: ({ count, open, position, segments = [] }, _amount, taken) => {
      const pruned = prunedLists(segments, keepLists);
      for (let i = 0; i < count; i++) if (open[i] && isLive(position[i]!, segments, pruned)) taken[i] = 1;
    },
  };
}

/** Lists of subtasks that have closed, without the last ones. A list is a segment whose tasks lie directly inside it. */
function prunedLists(segments: readonly Segment[], keepLists: number): Set<number> {
  const depth = (i: number): number => (segments[i]!.within < 0 ? 0 : 1 + depth(segments[i]!.within));
  const closed = segments
    .map((segment, i) => ({ ...segment, i }))
    .filter(({ i, open, conclusion }) => !open && !conclusion && depth(i) % 2 === 0)
    .sort((a, b) => a.to - b.to || b.from - a.from);
  return new Set(closed.slice(0, Math.max(0, closed.length - keepLists)).map(({ i }) => i));
}

function isLive(position: number, segments: readonly Segment[], pruned: ReadonlySet<number>): boolean {
  const inside = segments.flatMap(({ from, to }, i) => (from <= position && position < to ? [i] : []));
  return inside.every((list) => {
    if (!pruned.has(list)) return true;
    // A conclusion of a task of this very list stays; one of a list further inside has been said again by then.
    return inside.some((i) => segments[i]!.conclusion && segments[segments[i]!.within]?.within === list);
  });
}
