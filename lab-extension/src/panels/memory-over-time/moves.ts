/** What moved between tiers over some steps: bytes and transfers by link. */
import { type Link, links, type Tier, tiers } from 'kvlab/frame';
import { logColumn, type Run } from '../../store/run.ts';

export interface TierFlow {
  from: Tier;
  to: Tier;
  bytes: number;
  moves: number;
}
export interface MovesDrawing {
  /** First and last step that is counted. */
  steps: readonly [number, number];
  flows: TierFlow[];
  /** Bytes in each tier after the last of these steps, in the order of `tiers`. */
  held: number[];
  /** What the moves would take by the stated model of links, in ms. */
  estimatedMs: number;
}

const ends: Readonly<Record<Link, readonly [Tier, Tier]>> = {
  hostToDevice: ['host', 'device'],
  deviceToHost: ['device', 'host'],
  diskToHost: ['disk', 'host'],
  hostToDisk: ['host', 'disk'],
};

/** Sums over the rows whose steps lie in the range, the prompt among them where it begins at 0. */
export function encodeMoves(run: Run, [first, last]: readonly [number, number]): MovesDrawing | undefined {
  const [index, moved, moves] = [
    logColumn(run, 'step.index'),
    logColumn(run, 'tier.moved'),
    logColumn(run, 'tier.moves'),
  ];
  const [held, estimated] = [logColumn(run, 'tier.held'), logColumn(run, 'tier.estimatedMs')];
  if (!index || !moved || !held) return undefined;
  const flows = links.map((link) => ({ from: ends[link][0], to: ends[link][1], bytes: 0, moves: 0 }));
  let estimatedMs = 0;
  let newest = 0;
  for (let row = 0; row < Math.min(index.rows, moved.rows, held.rows); row++) {
    const step = index.data[row]!;
    if (step > last) break;
    newest = row;
    if (step < first) continue;
    flows.forEach((flow, link) => {
      flow.bytes += moved.data[row * links.length + link]!;
      flow.moves += moves?.data[row * links.length + link] ?? 0;
    });
    estimatedMs += estimated?.data[row] ?? Number.NaN;
  }
  return {
    steps: [first, last],
    flows: flows.filter(({ bytes }) => bytes > 0),
    held: tiers.map((_, tier) => held.data[newest * tiers.length + tier] ?? 0),
    estimatedMs,
  };
}
