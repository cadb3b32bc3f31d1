/** How text is cut into pieces before byte pairs are merged: merges never cross a cut. */

/** Each entry is a list of patterns, applied one after another to what the one before left. White space is Unicode's, not
 *  JavaScript's own class, which counts U+FEFF and leaves out U+0085. */
const gpt2 =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const singleDigits = /\p{N}|\P{N}+/gu;
const llama3 =
  /'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const tekken =
  /[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n/]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

export interface PieceRule {
  patterns: readonly RegExp[];
  /** A piece that is a token as it stands is taken whole, whatever its merges say. */
  wholeFirst: boolean;
}

/** Rules by the name that a GGUF file gives in `tokenizer.ggml.pre`. */
export const pieceRules: Readonly<Record<string, PieceRule>> = {
  'gpt-2': { patterns: [gpt2], wholeFirst: false },
  default: { patterns: [gpt2], wholeFirst: false },
  smollm: { patterns: [singleDigits, gpt2], wholeFirst: false },
  refact: { patterns: [singleDigits, gpt2], wholeFirst: false },
  starcoder: { patterns: [singleDigits, gpt2], wholeFirst: false },
  'llama-bpe': { patterns: [llama3], wholeFirst: true },
  'llama-v3': { patterns: [llama3], wholeFirst: true },
  llama3: { patterns: [llama3], wholeFirst: true },
  tekken: { patterns: [tekken], wholeFirst: true },
};

/** The pieces of a text, which together are the text. */
export function pieces(text: string, { patterns }: PieceRule): string[] {
  return patterns.reduce((parts, pattern) => parts.flatMap((part) => part.match(pattern) ?? []), [text]);
}
