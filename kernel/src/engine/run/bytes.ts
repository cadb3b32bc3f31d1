/** What a run holds: positions of a head, and bytes by part, tier and link. */
import { keptPositions } from '../cache/layer.ts';
import { fullBytes, readLedger } from '../cache/ledger.ts';
import { estimatedMs } from '../cache/traffic.ts';
import { byteParts, type Link, links, type Tier, tiers } from '../record/frame.ts';
import { movedSoFar } from './reads.ts';
import type { Sequence } from './sequence.ts';

export interface RunBytes {
  held: Record<(typeof byteParts)[number] | 'total', number>;
  claimed: number;
  full: number;
  peak: number;
  workspace: number;
  /** Where it lies. Device and host together are what is held; what lies in a file comes on top. */
  tiers: Record<Tier, number>;
  /** Bytes that went over each link so far, and what that would take by the run's model of links. */
  moved: Record<Link, number>;
  estimatedMoveMs: number;
  /** What a pager has committed; NaN where the method has none. */
  committed: number;
}
/** Absolute positions that a head holds. */
export function keptBy(sequence: Sequence, layer: number, kvHead: number): Int32Array {
  const { layers, kvHeads } = sequence.model.config;
  if (!(layer >= 0 && layer < layers))
    throw new RangeError(`kept: layer is ${layer}; the model has 0 to ${layers - 1}`);
  if (!(kvHead >= 0 && kvHead < kvHeads))
    throw new RangeError(`kept: kvHead is ${kvHead}; the model has 0 to ${kvHeads - 1}`);
  return keptPositions(sequence.layers[layer]!, kvHead);
}

export function bytesOf(sequence: Sequence): RunBytes {
  const { layers, kvHeads, headSize } = sequence.model.config;
  const ledger = readLedger(sequence.method, sequence.layers);
  const moved = movedSoFar(sequence.reads);
  const held = Object.fromEntries(
    byteParts.map((part, i) => [
      part,
      ledger.zones.filter((_, at) => at % byteParts.length === i).reduce((a, b) => a + b, 0),
    ]),
  );
  return {
    held: { ...(held as Record<(typeof byteParts)[number], number>), total: ledger.held },
    claimed: ledger.claimed,
    full: fullBytes(sequence.ids.length, layers, kvHeads, headSize),
    peak: Math.max(sequence.peakBytes, ledger.held),
    workspace: sequence.workspaceBytes,
    tiers: Object.fromEntries(tiers.map((tier, i) => [tier, ledger.tiers[i]!])) as Record<Tier, number>,
    moved: Object.fromEntries(links.map((link, i) => [link, moved.bytes[i]!])) as Record<Link, number>,
    estimatedMoveMs: estimatedMs(moved, sequence.reads.links),
    committed: ledger.committed,
  };
}
