/** Words for made-up runs: a prompt with special tokens, a byte piece and right-to-left text, and a story to go on with. */
import type { TokenText } from 'kvlab/frame';

const prompt = `The ferry to Nordholm leaves at six. Ida carries a crate of pears, a letter and a brass key that fits no door she
knows. The captain counts his passengers twice, writes the number on a slate, and rubs it out again. Behind the harbour the
hills are white. Somebody on the upper deck sings about a horse that learned to read, and nobody laughs at the last line.
Ida puts the key under the pears. The letter says that the house is hers now, that the roof is good, that the well is not.
It does not say who wrote it. At noon the wind turns, the slate falls into the water, and the captain has to count again.`;

const story = ` He counts eleven, then twelve. The twelfth is a boy who holds a lantern, although it is day. Ida asks him where he
comes from, and he points at the house on the cliff. The roof is good, he says, but the well is deep, and at night it answers.
She gives him a pear. He eats it slowly, keeps the stem, and asks whether the key is under the pears or in her pocket.`;

const pieces = (text: string): TokenText[] =>
  (text.replace(/\n/g, ' ').match(/ ?[\p{L}\p{N}]+| ?[^\p{L}\p{N}\s]|\s/gu) ?? []).map((piece) => ({ text: piece }));

/** Token texts of a prompt in chat form. */
export function promptTexts(tellings = 1): TokenText[] {
  const special = (text: string): TokenText => ({ text, special: true });
  return [
    special('<|im_start|>'),
    { text: 'user' },
    { text: '\n' },
    { text: '<s>' },
    { text: '\t' },
    { text: '⟨e2 80⟩', bytes: true },
    { text: ' שלום' },
    ...Array.from({ length: tellings }, () => pieces(prompt)).flat(),
    special('<|im_end|>'),
    { text: '\n' },
    special('<|im_start|>'),
    { text: 'assistant' },
    { text: '\n' },
  ];
}

/** Token texts that a made-up model writes: the story, over and over. */
export function writtenTexts(count: number): TokenText[] {
  const once = pieces(story);
  return Array.from({ length: count }, (_, i) => once[i % once.length]!);
}
