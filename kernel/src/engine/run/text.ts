/** Text as it grows: pieces are given out once their characters are whole. */
import type { Tokenizer } from '../model/tokenizer.ts';

export interface TextStream {
  readonly text: string;
  /** Adds a token and gives the text that is new and whole. */
  push(id: number): string;
  /** What was held back, at the end. */
  end(): string;
}

/** Marks such as <|im_end|> are no text. */
const plain = { special: false };

export function textStream(tokenizer: Tokenizer): TextStream {
  const ids: number[] = [];
  let given = '';
  const upTo = (whole: string): string => {
    const piece = whole.slice(given.length);
    given = whole;
    return piece;
  };
  return {
    get text() {
      return tokenizer.decode(ids, plain);
    },
    push(id) {
      ids.push(id);
      const whole = tokenizer.decode(ids, plain);
      // A trailing replacement character is the beginning of a character whose other bytes are still to come.
      return whole.endsWith('\uFFFD') ? '' : upTo(whole);
    },
    end: () => upTo(tokenizer.decode(ids, plain)),
  };
}
