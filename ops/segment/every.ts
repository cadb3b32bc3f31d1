/** Every n tokens: the text is cut into blocks of equal length, whatever it says. */
import { neutral } from '../neutral.ts';
import type { Segmentation } from './segmentation.ts';

export function every(tokens: number): Segmentation {
  if (!(Number.isInteger(tokens) && tokens >= 1))
    throw new RangeError(`segment every: a block is ${tokens} tokens; give a whole number from 1`);
  return {
    ...neutral('every', 'segment', `blocks of ${tokens}`),
    neutral: false,
    cut: (pieces) =>
      Array.from({ length: Math.ceil(pieces.length / tokens) }, (_, block) => {
        const from = block * tokens;
        const open = from + tokens > pieces.length;
        return { from, to: open ? pieces.length : from + tokens, open, within: -1, conclusion: false };
      }),
  };
}
