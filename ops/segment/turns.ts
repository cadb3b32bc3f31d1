/** Turns: what one side of a conversation says. The caller marks where a turn ends; nothing is read from the text. */
import { neutral } from '../neutral.ts';
import type { Segmentation } from './segmentation.ts';

export const turns = (): Segmentation => ({
  ...neutral('turns', 'segment', 'turns of the conversation'),
  neutral: false,
  cut: (pieces) => (pieces.length ? [{ from: 0, to: pieces.length, open: true, within: -1, conclusion: false }] : []),
});
