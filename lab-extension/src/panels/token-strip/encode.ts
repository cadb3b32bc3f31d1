/** Token strip: surprise as ground, share of heads that hold the token as underline. */

import { tokenWord } from '../../draw/words.ts';
import { headCount, logColumn, type Run, seenAtStep } from '../../store/run.ts';
import { holdingAt } from '../../store/survival.ts';

/** Surprise in nats that takes the far end of the ramp. */
export const mostSurprise = 10;

export interface StripToken {
  position: number;
  /** What is drawn: white space made visible where it is all there is. */
  shown: string;
  special: boolean;
  generated: boolean;
  /** −ln p, NaN for the first token. */
  surprise: number;
  /** Heads that hold the token at the step that is shown. */
  holding: number;
}

/** Tokens seen up to a step, in order of position. */
export function encodeTokenStrip(run: Run, step: number): StripToken[] {
  const logProb = logColumn(run, 'token.logProb')?.data;
  const seen = Math.min(run.texts.length, seenAtStep(run, step));
  return run.texts.slice(0, seen).map((token, position) => ({
    position,
    shown: tokenWord(token.text),
    special: token.special === true || token.bytes === true,
    generated: position >= run.info.promptLength,
    surprise: -(logProb?.[position] ?? Number.NaN),
    holding: holdingAt(run.survival, position, step),
  }));
}

/** Share of heads that hold a token. */
export function holdingShare(run: Run, token: StripToken): number {
  return token.holding / headCount(run.info);
}
