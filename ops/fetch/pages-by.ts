/** Pages by score: the pages that are worth most to the query are read, whole, while they fit. Entries of the zone that
 *  belong to no whole page yet are always read. */
import { type Amount, type Budget, entriesOf } from '../allocate/amount.ts';
import { amountWords, totalEntries } from '../allocate/amounts.ts';
import { neutral } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import type { Fetch } from './fetch.ts';

/** A total budget says how much a head reads in a step, of all zones together. */
export interface PagesOptions extends Budget {
  query?: Bound;
  /** Most pages of each head. */
  pages?: number;
  /** What a head reads where no total says it. */
  read?: Amount;
  /** Layers before this one read everything. */
  fromLayer?: number;
  /** The prompt reads everything. */
  answerOnly?: boolean;
}

export function pagesBy(by: Bound, options: PagesOptions): Fetch {
  const { query, pages = Number.POSITIVE_INFINITY, read, fromLayer = 0, answerOnly = false } = options;
  const total = { keep: options.keep, entries: options.entries, bytes: options.bytes };
  if (!(pages >= 0)) throw new RangeError(`fetch pages: pages is ${pages}; give a number from 0`);
  if (read !== undefined && !(read > 0))
    throw new RangeError(`fetch pages: read is ${read}; give a share of the prompt or a number of entries`);
  const most = [...(Number.isFinite(pages) ? [`${pages} pages`] : []), amountWords({ ...total, read })];
  const when = [...(fromLayer ? [`from layer ${fromLayer} on`] : []), ...(answerOnly ? ['after the prompt'] : [])];
  const words = [most.filter(Boolean).join(', '), `by ${query ? `${query.title}, ` : ''}${by.title}`].join(' ');
  return {
    ...neutral('pages-by', 'fetch', [words, ...when].join(', ')),
    neutral: false,
    by,
    query,
    pages,
    fromLayer,
    answerOnly,
    entries: (request) =>
      totalEntries(total, request) ??
      (read === undefined ? Number.POSITIVE_INFINITY : entriesOf(read, request.promptLength)),
  };
}

/** Indices of the pages that are read, best first: at most `pages`, and while their entries fit into `room`. Ties go to the
 *  earlier page. A page that does not fit ends the choice, so that a smaller one never takes the place of a better one. */
export function choosePages(
  score: ArrayLike<number>,
  entries: ArrayLike<number>,
  pages: number,
  room: number,
): number[] {
  const order = Array.from({ length: score.length }, (_, n) => n).sort((a, b) => score[b]! - score[a]! || a - b);
  const out: number[] = [];
  let left = room;
  for (const page of order) {
    if (out.length >= pages || entries[page]! > left) break;
    out.push(page);
    left -= entries[page]!;
  }
  return out;
}
