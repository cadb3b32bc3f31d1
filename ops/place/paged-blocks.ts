/** Paged blocks: the rows of a request lie in blocks of a few tokens, wherever one is free.
 *
 *  Kwon et al. 2023, "PagedAttention", arXiv:2309.06180, section 4. At most one block of a request is partly empty, but the
 *  attention has to follow a table of blocks. */
import { type Pager, tokenBytes } from './pager.ts';

export function pagedBlocks({ block = 16 }: { block?: number } = {}): Pager {
  if (!(Number.isInteger(block) && block >= 1))
    throw new RangeError(`place paged blocks: block is ${block} tokens; give a whole number from 1`);
  const room = (tokens: number): number => Math.ceil(tokens / block) * block;
  return {
    name: 'paged-blocks',
    title: `blocks of ${block} tokens`,
    room,
    committedBytes: (tokens, shape) => room(tokens) * tokenBytes(shape),
    keepsFreed: false,
  };
}
