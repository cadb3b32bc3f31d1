/** How the order of the heaviest tokens of a head changes between two steps. */
import { rankCount } from 'kvlab/frame';
import { percent } from '../../draw/scale.ts';
import { quoted } from '../../draw/words.ts';
import { latestColumn, logColumn, type Run } from '../../store/run.ts';
import type { DataColumns } from '../data.ts';
import { type Phrase, type Table, tableOf } from '../words.ts';
import { concentration, encodeHeavy } from './encode.ts';

/** Tokens that are followed from each of the two steps. */
const followed = 12;

export interface RankChange {
  position: number;
  /** From 0 for the heaviest; undefined where it was not among the 24 heaviest. */
  before: number | undefined;
  after: number | undefined;
}
export interface RankChanges {
  layer: number;
  kvHead: number;
  /** Steps whose order is compared: the recorded ones nearest before those that were asked for. */
  from: number;
  to: number;
  /** The twelve heaviest tokens of either step, at most 24, by their later rank. */
  tokens: RankChange[];
}

/** Compares the orders of two steps; undefined where the run has not recorded two. */
export function rankChanges(
  run: Run,
  head: { layer: number; kvHead: number },
  [from, to]: readonly [number, number],
): RankChanges | undefined {
  const orders = ordersOf(run, head);
  const steps = [...orders.keys()].sort((a, b) => a - b);
  const upTo = (step: number) => steps.filter((own) => own <= step).at(-1) ?? steps[0];
  const [first, last] = [upTo(from), upTo(to)];
  if (first === undefined || last === undefined || first === last) return undefined;
  const [before, after] = [orders.get(first)!, orders.get(last)!];
  const rankIn = (order: readonly number[], position: number) => {
    const rank = order.indexOf(position);
    return rank < 0 ? undefined : rank;
  };
  const positions = [...new Set([...after.slice(0, followed), ...before.slice(0, followed)])];
  const tokens = positions.map((position) => ({
    position,
    before: rankIn(before, position),
    after: rankIn(after, position),
  }));
  return { ...head, from: first, to: last, tokens };
}

/** The heaviest positions of a head by step: what was recorded on the way, and the scores of the newest step. */
function ordersOf(run: Run, { layer, kvHead }: { layer: number; kvHead: number }): Map<number, number[]> {
  const { kvHeads, layers } = run.info.model;
  const row = layer * kvHeads + kvHead;
  const [steps, positions] = [logColumn(run, 'rank.step'), logColumn(run, 'rank.position')];
  const orders = new Map<number, number[]>();
  for (let record = 0; record < Math.min(steps?.rows ?? 0, positions?.rows ?? 0); record++) {
    const at = (record * layers * kvHeads + row) * rankCount;
    orders.set(
      steps!.data[record]!,
      Array.from(positions!.data.subarray(at, at + rankCount)).filter((position) => position >= 0),
    );
  }
  const newest = latestColumn(run, 'heavy.score');
  const drawing = newest && encodeHeavy(run, 'sum');
  if (drawing) orders.set(newest.step, concentration(drawing, row).order.slice(0, rankCount));
  return orders;
}

/** How many tokens stayed among the heaviest, and which rose most. */
export function aboutRanks(run: Run, changes: RankChanges | undefined, position: number | undefined): Phrase[] {
  if (!changes) return [{ text: 'Ranks are recorded every 16 steps: there are not two steps to compare yet.' }];
  const { from, to, tokens, layer, kvHead } = changes;
  const own = tokens.find((token) => token.position === position);
  const name = (token: RankChange) => quoted(token.position, run.texts[token.position]?.text);
  const where = `in layer ${layer} kv head ${kvHead}`;
  if (own)
    return [
      { text: `Token ${name(own)} is number ` },
      { text: rankWords(own.after), strong: true },
      { text: ` ${where} at step ${to}; at step ${from} it was number ${rankWords(own.before)}.` },
    ];
  const stayed = tokens.filter(({ before, after }) => isTop(before) && isTop(after)).length;
  const top = tokens.filter(({ before }) => isTop(before)).length;
  const rises = tokens.filter((token) => token.after !== undefined);
  const rise = rises.reduce<RankChange | undefined>(
    (best, token) => (best === undefined || gain(token) > gain(best) ? token : best),
    undefined,
  );
  return [
    { text: `From step ${from} to step ${to}, ` },
    { text: percent(stayed / top), strong: true },
    {
      text: ` of the ${top} heaviest tokens ${where} stay among them${rise && gain(rise) > 0 ? `; ${name(rise)} rises most, from ${rankWords(rise.before)} to ${rankWords(rise.after)}` : ''}.`,
    },
  ];
}

const isTop = (rank: number | undefined) => rank !== undefined && rank < followed;
const gain = ({ before, after }: RankChange) => (before ?? rankCount) - (after ?? rankCount);
const rankWords = (rank: number | undefined) => (rank === undefined ? `below ${rankCount}` : String(rank + 1));

export function rankTable(run: Run, { from, to, tokens }: RankChanges): Table {
  return tableOf(
    ['token', `rank at step ${from}`, `rank at step ${to}`],
    tokens.map(({ position, before, after }) => [
      quoted(position, run.texts[position]?.text),
      rankWords(before),
      rankWords(after),
    ]),
  );
}

/** One row for each token, for files; a rank is missing where the token was not among the 24. */
export function rankRows(run: Run, { layer, kvHead, from, to, tokens }: RankChanges): DataColumns {
  const same = (value: number) => tokens.map(() => value);
  const rank = (value: number | undefined) => (value === undefined ? Number.NaN : value + 1);
  return {
    layer: same(layer),
    kv_head: same(kvHead),
    position: tokens.map(({ position }) => position),
    token: tokens.map(({ position }) => run.texts[position]?.text ?? ''),
    from_step: same(from),
    to_step: same(to),
    rank_before: tokens.map(({ before }) => rank(before)),
    rank_after: tokens.map(({ after }) => rank(after)),
  };
}
