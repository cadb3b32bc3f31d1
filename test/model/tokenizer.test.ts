import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { chatTemplate } from '../../kernel/src/engine/model/chat.ts';
import { openFile } from '../../kernel/src/engine/model/file.ts';
import { type Gguf, type MetadataValue, readGguf } from '../../kernel/src/engine/model/gguf.ts';
import { pieceRules, pieces } from '../../kernel/src/engine/model/pieces.ts';
import { readTokenizer, type Tokenizer } from '../../kernel/src/engine/model/tokenizer.ts';
import { defaultModelPath } from './default-model.ts';

interface Vectors {
  ids: { text: string; ids: number[] }[];
  pieces: Record<string, { text: string; pieces: string[] }[]>;
  sentencePiece: { tokens: string[]; scores: number[]; types: number[]; cases: { text: string; ids: number[] }[] };
}
const path = new URL('../../fixtures/tokenizer/vectors.json', import.meta.url);
const vectors: Vectors = JSON.parse(readFileSync(path, 'utf8'));

describe('the tokenizer of the default model', () => {
  let gguf: Gguf;
  let tokenizer: Tokenizer;
  before(async () => {
    const source = await openFile(defaultModelPath());
    gguf = await readGguf(source);
    await source.close();
    tokenizer = readTokenizer(gguf);
  });

  test('gives the ids of the library that the model was trained with, on difficult texts', () => {
    for (const { text, ids } of vectors.ids)
      assert.deepEqual([...tokenizer.encode(text).ids], ids, `ids of ${JSON.stringify(text)}`);
  });

  test('gives the text back, spaces before punctuation included', () => {
    for (const { text, ids } of vectors.ids) assert.equal(tokenizer.decode(ids), text);
    assert.equal(tokenizer.decode(tokenizer.encode('a , b .').ids), 'a , b .');
  });

  test('recognises marks unless told not to, and leaves them out of a text when asked', () => {
    const text = '<|im_start|>user\nHi<|im_end|>';
    const { ids } = tokenizer.encode(text);
    assert.deepEqual([ids[0], ids.at(-1)], [1, 2]);
    assert.equal(tokenizer.decode(ids, { special: false }), 'user\nHi');
    const plain = tokenizer.encode(text, { special: false }).ids;
    assert.ok(plain.every((id) => !tokenizer.isSpecial(id)));
    assert.equal(tokenizer.decode(plain), text);
  });

  test('ends a turn at the mark of the chat format and at the end of text, and puts no mark in front', () => {
    assert.deepEqual([...tokenizer.ends].sort(), [0, 2]);
    assert.equal(tokenizer.encode('x').ids.length, 1);
    assert.deepEqual([...tokenizer.encode('x', { begin: true }).ids].slice(0, 1), [1]);
  });

  test('leaves out the bytes that have no token, and counts them', () => {
    assert.equal(tokenizer.encode('plain').droppedBytes, 0);
    const { ids, droppedBytes } = tokenizer.encode('a\x04\x06b');
    assert.equal(droppedBytes, 2);
    assert.equal(tokenizer.decode(ids), 'ab');
  });

  test('draws whole letters as text, marks as special and parts of letters as bytes', () => {
    const { ids } = tokenizer.encode('<|im_start|>é🙂');
    const drawn = tokenizer.texts(ids);
    assert.deepEqual(drawn[0], { text: '<|im_start|>', special: true });
    assert.deepEqual(drawn[1], { text: 'é' });
    const parts = drawn.slice(2);
    assert.ok(parts.length > 1 && parts.every((part) => part.bytes), JSON.stringify(parts));
    assert.equal(parts.map((part) => part.text.slice(1, -1)).join(' '), 'f0 9f 99 82');
  });

  test('an id outside the vocabulary is refused with the range', () => {
    assert.throws(() => tokenizer.decode([49152]), /token id 49152 is outside the vocabulary; ids are 0 to 49151/);
  });

  test('writes a conversation by the template in the file, ending where the assistant speaks', () => {
    const chat = chatTemplate(gguf, tokenizer);
    assert.equal(
      chat([
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ]),
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
    assert.throws(() => chat([]), /no messages/);
  });
});

for (const [name, cases] of Object.entries(vectors.pieces))
  test(`the rule ${name} cuts text as its published pattern does`, () => {
    for (const { text, pieces: expected } of cases)
      assert.deepEqual(pieces(text, pieceRules[name]!), expected, `pieces of ${JSON.stringify(text)}`);
  });

/** A file that holds nothing but a tokenizer. */
const onlyMetadata = (entries: Record<string, MetadataValue>): Gguf => ({
  path: 'some.gguf',
  metadata: new Map(Object.entries(entries)),
  tensors: new Map(),
  read: () => Promise.reject(new Error('there are no tensors')),
});

test('a SentencePiece vocabulary gives the ids of SentencePiece itself', () => {
  const { tokens, scores, types, cases } = vectors.sentencePiece;
  const tokenizer = readTokenizer(
    onlyMetadata({
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.scores': scores,
      'tokenizer.ggml.token_type': types,
      'tokenizer.ggml.bos_token_id': 1,
    }),
  );
  for (const { text, ids } of cases) {
    const found = tokenizer.encode(text, { begin: false }).ids;
    assert.deepEqual([...found], ids, `ids of ${JSON.stringify(text)}`);
    assert.equal(tokenizer.decode([1, ...ids], { special: false }), text);
  }
  assert.equal(tokenizer.encode('x').ids[0], 1);
});

test('tokenizers that would be read wrongly are refused with what is supported', () => {
  const bytes = {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.tokens': ['a', 'b'],
    'tokenizer.ggml.merges': ['a b'],
  };
  const refused: [Record<string, MetadataValue>, RegExp][] = [
    [
      { ...bytes, 'tokenizer.ggml.model': 'bert' },
      /some\.gguf: its tokenizer is "bert"; gpt2 .* and llama .* are supported/,
    ],
    [{ ...bytes, 'tokenizer.ggml.pre': 'unheard' }, /cut by the rule "unheard"; gpt-2, .* are supported/],
    [{ 'tokenizer.ggml.model': 'gpt2' }, /no list tokenizer\.ggml\.tokens/],
    [{ 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': ['a'] }, /no list tokenizer\.ggml\.merges/],
    [{ 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.tokens': ['a'] }, /no score per token/],
  ];
  for (const [entries, message] of refused) assert.throws(() => readTokenizer(onlyMetadata(entries)), message);
});
