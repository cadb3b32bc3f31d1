/** Virtual pages: the rows of a request are contiguous in virtual memory, and physical pages are mapped as tokens arrive.
 *
 *  Prabhu et al. 2024, "vAttention", arXiv:2405.04437, section 5. Keys and values of each layer are a tensor of their own, so
 *  a step that needs a page needs one in each of the 2 L tensors; the layout `mega` puts all layers behind each other in two.
 *  A token never straddles two pages, so a page holds whole tokens and the rest of it is lost. */
import type { Pager, TokenShape } from './pager.ts';

export interface VirtualPages {
  /** Bytes of a physical page. */
  page: number;
  /** Pages of each tensor that are mapped before they are needed. */
  ahead?: number;
  layout?: 'per layer' | 'mega';
}

export function virtualPages({ page, ahead = 0, layout = 'per layer' }: VirtualPages): Pager {
  const whole = (what: string, value: number, from: number): void => {
    if (!(Number.isInteger(value) && value >= from))
      throw new RangeError(`place virtual pages: ${what} is ${value}; give a whole number from ${from}`);
  };
  whole('page', page, 1);
  whole('ahead', ahead, 0);
  const tensors = ({ layers }: TokenShape): number => (layout === 'mega' ? 2 : 2 * layers);
  const tokensPerPage = ({ layers, kvHeads, headSize, bytesPerNumber }: TokenShape): number => {
    const bytes = kvHeads * headSize * bytesPerNumber * (layout === 'mega' ? layers : 1);
    if (bytes > page)
      throw new RangeError(
        `place virtual pages: a page of ${page} bytes holds no whole token, which takes ${bytes}; give larger pages`,
      );
    return Math.floor(page / bytes);
  };
  const pages = (tokens: number, shape: TokenShape): number =>
    tokens === 0 ? 0 : Math.ceil(tokens / tokensPerPage(shape)) + ahead;
  return {
    name: 'virtual-pages',
    title: `virtual pages of ${page} bytes${ahead ? `, ${ahead} ahead` : ''}${layout === 'mega' ? ', all layers together' : ''}`,
    room: (tokens, shape) => pages(tokens, shape) * tokensPerPage(shape),
    committedBytes: (tokens, shape) => pages(tokens, shape) * page * tensors(shape),
    keepsFreed: true,
  };
}
