/** What went over the links between tiers, and what it would take by a stated model of them. */
import { type Link, links, type Tier } from '../record/frame.ts';

export interface Traffic {
  /** By link. */
  bytes: Float64Array;
  moves: Uint32Array;
}
/** What is said of a link: it takes this long to begin, and then carries so much. */
export interface LinkModel {
  bytesPerSecond: number;
  secondsPerMove: number;
}
export type LinkModels = Readonly<Record<Link, LinkModel>>;

/** A desktop machine: a graphics card on PCIe 4.0 x16 at two thirds of its 32 GB/s, an NVMe disk. Not measured here. */
export const usualLinks: LinkModels = {
  hostToDevice: { bytesPerSecond: 20e9, secondsPerMove: 10e-6 },
  deviceToHost: { bytesPerSecond: 20e9, secondsPerMove: 10e-6 },
  diskToHost: { bytesPerSecond: 3e9, secondsPerMove: 100e-6 },
  hostToDisk: { bytesPerSecond: 2e9, secondsPerMove: 100e-6 },
};

/** The usual links with those that are given; refuses what cannot be meant. */
export function linkModels(given: Partial<Record<Link, Partial<LinkModel>>> = {}): LinkModels {
  for (const [link, model] of Object.entries(given)) {
    if (!links.includes(link as Link))
      throw new TypeError(`links: there is no link ${link}; there is ${links.join(', ')}`);
    if (model.bytesPerSecond !== undefined && !(model.bytesPerSecond > 0))
      throw new RangeError(`links: bytesPerSecond of ${link} is ${model.bytesPerSecond}; give more than 0`);
    if (model.secondsPerMove !== undefined && !(model.secondsPerMove >= 0))
      throw new RangeError(`links: secondsPerMove of ${link} is ${model.secondsPerMove}; give 0 or more`);
  }
  const merged = links.map((link) => [link, { ...usualLinks[link], ...given[link] }]);
  return Object.fromEntries(merged) as unknown as LinkModels;
}

export const noTraffic = (): Traffic => ({
  bytes: new Float64Array(links.length),
  moves: new Uint32Array(links.length),
});

export function count({ bytes, moves }: Traffic, from: Tier, to: Tier, moved: number): void {
  const link = links.indexOf(`${from}To${to[0]!.toUpperCase()}${to.slice(1)}` as Link);
  bytes[link]! += moved;
  moves[link]!++;
}

/** Milliseconds that the moves would take one after the other. An estimate: nothing of it was measured. */
export const estimatedMs = ({ bytes, moves }: Traffic, models: LinkModels): number =>
  links.reduce(
    (ms, link, i) => ms + 1000 * (bytes[i]! / models[link].bytesPerSecond + moves[i]! * models[link].secondsPerMove),
    0,
  );
