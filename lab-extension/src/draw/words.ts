/** Words above a map: which tokens get a label, and where, so that no two touch. */

export interface WordCandidate {
  position: number;
  text: string;
  /** Higher is placed first. */
  weight: number;
}

export interface PlacedWord {
  position: number;
  text: string;
  /** 0 is next to the map, 1 above it with a leader line. */
  tier: 0 | 1;
  /** Centre of the word in pixels. */
  centre: number;
}

/** Places words by weight on two tiers; a word that would touch another is dropped, never cut. */
export function placeWords(
  candidates: readonly WordCandidate[],
  pixelOf: (position: number) => number,
  widthOf: (text: string) => number,
  [left, right]: readonly [number, number],
  taken: readonly { centre: number; width: number }[] = [],
): PlacedWord[] {
  const gap = 8;
  const spans: [number, number][][] = [[], []];
  for (const { centre, width } of taken) spans[0]!.push([centre - width / 2, centre + width / 2]);
  const placed: PlacedWord[] = [];
  const seen = new Set<string>();
  for (const { position, text } of [...candidates].sort((a, b) => b.weight - a.weight)) {
    const word = text.trim();
    const x = pixelOf(position);
    if (!word || seen.has(word) || x < left || x > right) continue;
    const half = widthOf(word) / 2;
    const centre = Math.max(left + half, Math.min(right - half, x));
    const free = (tier: number, from: number, to: number) =>
      spans[tier]!.every(([a, b]) => to + gap < a || from - gap > b);
    const tier = [0, 1].find((t) => free(t, centre - half, centre + half) && (t === 0 || free(0, x - 3, x + 3)));
    if (tier === undefined) continue;
    spans[tier]!.push([centre - half, centre + half]);
    if (tier === 1) spans[0]!.push([x - 3, x + 3]);
    seen.add(word);
    placed.push({ position, text: word, tier: tier as 0 | 1, centre });
    if (placed.length >= 14) break;
  }
  return placed;
}

/** How a token is written where there is one line: visible signs for white space, quotes left to the caller. */
export function tokenWord(text: string): string {
  return text.replace(/\r?\n/g, '↵').replace(/\t/g, '⇥');
}

/** A token in a sentence: position and text in quotes. */
export function quoted(position: number, text: string | undefined): string {
  const word = tokenWord(text ?? '');
  return `${position} ‘${word.trim() || word.replace(/ /g, '␣')}’`;
}
