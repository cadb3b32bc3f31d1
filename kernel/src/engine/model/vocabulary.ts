/** The tokens of a model: their text, their bytes, and which of them are marks rather than text. */
import type { Gguf } from './gguf.ts';

/** `gpt2`: tokens spell bytes by printable letters. `llama`: tokens spell text with ▁ for a space, and bytes as <0x0A>. */
export type Spelling = 'gpt2' | 'llama';

export interface Vocabulary {
  spelling: Spelling;
  tokens: readonly string[];
  /** Ids by the text of their token, without marks. */
  ids: ReadonlyMap<string, number>;
  /** Marks such as <|im_end|>: found in text before anything is merged. */
  marks: ReadonlyMap<string, number>;
  isSpecial(id: number): boolean;
  /** What the token adds to a text. A mark adds its own name. */
  bytes(id: number): Uint8Array;
}

/** Token types of the format. */
const control = 3;
const userDefined = 4;
const byte = 6;

const utf8 = new TextEncoder();

/** Bytes by the letter that spells them in byte-level vocabularies: printable Latin-1 spells itself, the other 68 bytes
 *  are spelled by U+0100 and up, in order. */
const byteOfLetter = new Map<string, number>();
const letterOfByte: string[] = [];
for (let value = 0, next = 256; value < 256; value++) {
  const printable = (value > 32 && value < 127) || (value > 160 && value !== 173);
  letterOfByte[value] = String.fromCharCode(printable ? value : next++);
  byteOfLetter.set(letterOfByte[value]!, value);
}

/** A text spelled by the letters of its UTF-8 bytes. */
export const spellBytes = (text: string): string => Array.from(utf8.encode(text), (b) => letterOfByte[b]).join('');

export function readVocabulary({ path, metadata }: Gguf): Vocabulary {
  const spelling = metadata.get('tokenizer.ggml.model');
  if (spelling !== 'gpt2' && spelling !== 'llama')
    throw new Error(
      `${path}: its tokenizer is ${JSON.stringify(spelling ?? 'missing')}; gpt2 (byte level) and llama (SentencePiece BPE) are supported`,
    );
  const tokens = metadata.get('tokenizer.ggml.tokens');
  if (!isStrings(tokens))
    throw new Error(`${path}: it has no list tokenizer.ggml.tokens; get a file with its tokenizer inside`);
  const types = metadata.get('tokenizer.ggml.token_type');
  const typeOf = (id: number): number => (Array.isArray(types) ? Number(types[id] ?? 1) : 1);

  const ids = new Map<string, number>();
  const marks = new Map<string, number>();
  tokens.forEach((token, id) => {
    const type = typeOf(id);
    if (type === control || type === userDefined) marks.set(token, id);
    else ids.set(token, id);
  });
  return {
    spelling,
    tokens,
    ids,
    marks,
    isSpecial: (id) => typeOf(id) === control,
    bytes(id) {
      const token = tokens[id];
      if (token === undefined)
        throw new RangeError(`tokenizer: token id ${id} is outside the vocabulary; ids are 0 to ${tokens.length - 1}`);
      const type = typeOf(id);
      if (type === control || type === userDefined) return utf8.encode(token);
      if (spelling === 'gpt2') return Uint8Array.from(token, (letter) => byteOfLetter.get(letter) ?? 63);
      return type === byte
        ? Uint8Array.of(Number.parseInt(token.slice(3, 5), 16))
        : utf8.encode(token.replaceAll('▁', ' '));
    },
  };
}

export const isStrings = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && typeof value[0] === 'string';
