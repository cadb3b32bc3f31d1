/** What a sequence keeps about pages and their moves between steps. */
import { type LinkModels, noTraffic, type Traffic, usualLinks } from '../cache/traffic.ts';
import type { Segments } from '../fetch/segments.ts';
import type { PageFile } from '../runtime/platform.ts';

export interface Reads {
  /** Of the newest step, and of those before. */
  traffic: Traffic;
  earlier: Traffic;
  /** Most entries that a head may read of all zones, by fetched zone; known when the first prompt comes. */
  most: ReadonlyMap<number, number>;
  segments: Segments | undefined;
  /** By what the moves are turned into time. */
  links: LinkModels;
  /** The file of pages, once something is written to it; forks write to the same. */
  file: Promise<PageFile> | undefined;
}

export const createReads = (links: LinkModels = usualLinks): Reads => ({
  links,
  traffic: noTraffic(),
  earlier: noTraffic(),
  most: new Map(),
  segments: undefined,
  file: undefined,
});

export const copyReads = (reads: Reads): Reads => ({
  ...reads,
  traffic: copy(reads.traffic),
  earlier: copy(reads.earlier),
});
const copy = ({ bytes, moves }: Traffic): Traffic => ({ bytes: bytes.slice(), moves: moves.slice() });

/** Everything that was moved so far. */
export const movedSoFar = ({ traffic, earlier }: Reads): Traffic => ({
  bytes: earlier.bytes.map((n, link) => n + traffic.bytes[link]!),
  moves: earlier.moves.map((n, link) => n + traffic.moves[link]!),
});
