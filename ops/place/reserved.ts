/** Reserved: a request gets room for the longest text that it may become, at once. What serving systems did before paging. */
import { type Pager, tokenBytes } from './pager.ts';

export function reserved({ tokens: most }: { tokens: number }): Pager {
  if (!(Number.isInteger(most) && most >= 1))
    throw new RangeError(`place reserved: tokens is ${most}; give a whole number from 1`);
  const room = (tokens: number): number => {
    if (tokens > most)
      throw new RangeError(`place reserved: a request holds ${tokens} tokens and room is for ${most}; reserve more`);
    return tokens === 0 ? 0 : most;
  };
  return {
    name: 'reserved',
    title: `${most} tokens reserved`,
    room,
    committedBytes: (tokens, shape) => (room(tokens) ? most * tokenBytes(shape) : 0),
    keepsFreed: false,
  };
}
