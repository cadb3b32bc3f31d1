/** Text to token ids and back, from the vocabulary and merges in a GGUF file. */
import * as library from '@huggingface/tokenizers';
import type { TokenText } from '../record/frame.ts';
import type { Gguf } from './gguf.ts';
import { pieceRules, pieces } from './pieces.ts';
import { isStrings, readVocabulary, spellBytes, type Vocabulary } from './vocabulary.ts';

export interface Encoded {
  ids: Uint32Array;
  /** Bytes of the text that no token can say; they are left out, as the models were trained. */
  droppedBytes: number;
}

export interface Tokenizer {
  vocabulary: number;
  /** Begins a text, if the model has such a token. */
  bos?: number;
  /** Ends a text. */
  eos?: number;
  /** Ids after which a model has said what it wanted to say: end of text, of turn, of message. */
  ends: ReadonlySet<number>;
  /** Ids of a text. Marks such as <|im_start|> count as marks unless `special` is false. `begin` puts the beginning mark
   *  first; by default it does as the model's file says. */
  encode(text: string, options?: { special?: boolean; begin?: boolean }): Encoded;
  /** The text of ids, spaces as they are. `special: false` leaves marks out. */
  decode(ids: ArrayLike<number>, options?: { special?: boolean }): string;
  /** What one token adds to a text. */
  bytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
  /** How each token is drawn on its own. */
  texts(ids: ArrayLike<number>): TokenText[];
}

/** Marks that end a turn in the chat formats of this family, beside those that the file names. */
const endMarks = ['<|im_end|>', '<|endoftext|>', '<|eot_id|>', '<|eom_id|>', '<|end_of_text|>', '</s>'];

/** Reads the tokenizer of a file. Throws where its kind or its way to cut text is unknown: a near miss would give other ids. */
export function readTokenizer(gguf: Gguf): Tokenizer {
  const { metadata } = gguf;
  const vocabulary = readVocabulary(gguf);
  const encodeText = vocabulary.spelling === 'gpt2' ? byteLevel(gguf, vocabulary) : sentencePiece(gguf, vocabulary);
  const id = (key: string): number | undefined => {
    const value = metadata.get(`tokenizer.ggml.${key}_token_id`);
    return typeof value === 'number' && value < vocabulary.tokens.length ? value : undefined;
  };
  const [bos, eos] = [id('bos'), id('eos')];
  const beginsByDefault = metadata.get('tokenizer.ggml.add_bos_token') ?? vocabulary.spelling === 'llama';
  const ends = [eos, id('eot'), id('eom'), ...endMarks.map((mark) => vocabulary.marks.get(mark))];
  const all = markSplitter(vocabulary.marks);
  const ordinary = markSplitter(new Map([...vocabulary.marks].filter(([, mark]) => !vocabulary.isSpecial(mark))));

  return {
    vocabulary: vocabulary.tokens.length,
    bos,
    eos,
    ends: new Set(ends.filter((end) => end !== undefined)),
    encode(text, { special = true, begin = beginsByDefault === true } = {}) {
      const ids: number[] = [];
      let droppedBytes = 0;
      for (const part of (special ? all : ordinary)(text)) {
        if (typeof part === 'number') ids.push(part);
        else droppedBytes += encodeText(part, ids);
      }
      if (begin && bos !== undefined && ids[0] !== bos) ids.unshift(bos);
      return { ids: Uint32Array.from(ids), droppedBytes };
    },
    decode(ids, { special = true } = {}) {
      const parts: Uint8Array[] = [];
      let afterMark = false;
      for (let i = 0; i < ids.length; i++) {
        const mark = vocabulary.isSpecial(ids[i]!);
        const bytes = vocabulary.bytes(ids[i]!);
        // SentencePiece puts a space in front of a text that stands after a mark.
        const added = afterMark && vocabulary.spelling === 'llama' && bytes[0] === 32;
        if (special || !mark) parts.push(added ? bytes.subarray(1) : bytes);
        afterMark = mark;
      }
      return lenient.decode(join(parts));
    },
    bytes: vocabulary.bytes,
    isSpecial: vocabulary.isSpecial,
    texts: (ids) => Array.from(ids, (token) => drawn(vocabulary, token)),
  };
}

const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function drawn(vocabulary: Vocabulary, id: number): TokenText {
  const bytes = vocabulary.bytes(id);
  if (vocabulary.isSpecial(id)) return { text: lenient.decode(bytes), special: true };
  try {
    return { text: strict.decode(bytes) };
  } catch {
    return { text: `⟨${Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ')}⟩`, bytes: true };
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

/** Cuts a text at marks, the longest first where one begins with another: texts between them, and ids of marks. */
function markSplitter(marks: ReadonlyMap<string, number>): (text: string) => (string | number)[] {
  if (marks.size === 0) return (text) => [text];
  const longestFirst = [...marks.keys()].sort((a, b) => b.length - a.length);
  const escaped = longestFirst.map((mark) => mark.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const pattern = new RegExp(`(${escaped.join('|')})`, 'u');
  // Splitting by a group puts what it matched at the odd places.
  return (text) =>
    text.split(pattern).flatMap((part, i): (string | number)[] => {
      if (i % 2) return [marks.get(part)!];
      return part === '' ? [] : [part];
    });
}

/** Appends the ids of a text without marks, and gives the count of dropped bytes. */
type EncodeText = (text: string, ids: number[]) => number;

function byteLevel({ path, metadata }: Gguf, { ids: byToken }: Vocabulary): EncodeText {
  const merges = metadata.get('tokenizer.ggml.merges');
  if (!isStrings(merges))
    throw new Error(`${path}: it has no list tokenizer.ggml.merges; get a file with its tokenizer inside`);
  const name = String(metadata.get('tokenizer.ggml.pre') ?? 'default');
  const rule = pieceRules[name];
  if (!rule)
    throw new Error(
      `${path}: its text is cut by the rule ${JSON.stringify(name)}; ${Object.keys(pieceRules).join(', ')} are supported`,
    );
  const bpe = pairMerger(byToken, merges as string[], { ignore_merges: rule.wholeFirst });
  return (text, ids) => {
    let dropped = 0;
    for (const piece of pieces(text, rule)) {
      const spelled = spellBytes(piece);
      let said = 0;
      for (const token of bpe.encode([spelled])) {
        ids.push(byToken.get(token)!);
        said += token.length;
      }
      dropped += spelled.length - said;
    }
    return dropped;
  };
}

/** SentencePiece BPE keeps a score per token instead of a list of merges: the pair whose token has the best score is
 *  merged first. The list is made from the scores. */
function sentencePiece({ path, metadata }: Gguf, vocabulary: Vocabulary): EncodeText {
  const scores = metadata.get('tokenizer.ggml.scores');
  if (!Array.isArray(scores) || scores.length !== vocabulary.tokens.length)
    throw new Error(`${path}: its tokenizer has no score per token; get a file with its tokenizer inside`);
  const { ids: byToken } = vocabulary;
  const pairs: { pair: [string, string]; score: number }[] = [];
  for (const [token, id] of byToken) {
    const letters = Array.from(token);
    for (let cut = 1; cut < letters.length; cut++) {
      const pair: [string, string] = [letters.slice(0, cut).join(''), letters.slice(cut).join('')];
      if (byToken.has(pair[0]) && byToken.has(pair[1])) pairs.push({ pair, score: Number(scores[id]) });
    }
  }
  pairs.sort((a, b) => b.score - a.score);
  const merges = pairs.map(({ pair }) => pair);
  const bpe = pairMerger(byToken, merges, { ignore_merges: false, byte_fallback: true });
  const prefix = metadata.get('tokenizer.ggml.add_space_prefix') === false ? '' : '▁';
  return (text, ids) => {
    const spelled = prefix + text.replaceAll(' ', '▁');
    let said = 0;
    for (const token of bpe.encode([spelled])) {
      const id = byToken.get(token)!;
      ids.push(id);
      said += vocabulary.bytes(id).length;
    }
    return utf8Length(spelled.replaceAll('▁', ' ')) - said;
  };
}

const utf8Length = (text: string): number => new TextEncoder().encode(text).length;

interface PairMerger {
  /** Tokens of a list of pieces; what no token says is left out. */
  encode(pieces: string[]): string[];
}

/** The library's types are written for bundlers and do not resolve under Node's rules, so the part in use is stated here. */
const { BPE } = library as unknown as { BPE: new (config: object) => PairMerger };

function pairMerger(
  byToken: ReadonlyMap<string, number>,
  merges: string[] | [string, string][],
  options: { ignore_merges: boolean; byte_fallback?: boolean },
): PairMerger {
  return new BPE({ type: 'BPE', vocab: Object.fromEntries(byToken), merges, unk_token: null, ...options });
}
