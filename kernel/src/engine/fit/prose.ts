/** Paragraphs of many kinds, written for this purpose, from which samples of prose are put together. */
import { hashedUniform } from '@kvlab/ops';

const paragraphs: readonly string[] = [
  'The lighthouse keeper counted the boats every evening, although nobody had asked her to. When one was missing she lit a second lamp and sat by the window with a book that she did not read. In eleven years she had lost only two, and both had come home the next day, with torn sails and a story that grew a little each time it was told in the tavern by the quay.',
  'Water boils at a lower temperature on a mountain, because the air above it presses less. At three thousand metres it boils at about ninety degrees, so an egg takes longer to cook there than at the sea, and pasta may never become soft. A pot with a tight lid helps: the steam that cannot leave raises the pressure, and with it the temperature of the water.',
  '"Have you seen my keys?" asked Martin. "They are where you left them," said his sister without looking up. "That is exactly what I wanted to hear," he said, "because I do not know where I left them." She pointed at the piano. Under a pile of letters, half of them unopened, lay the keys, and beside them the glasses that he had been looking for since Tuesday.',
  'To repot a plant, water it the day before. Choose a pot that is two fingers wider than the old one, and cover the hole with a piece of clay. Loosen the roots with your hands, cut away those that are brown and soft, and set the plant no deeper than it stood. Fill in fresh earth, press it lightly, and keep the pot out of the sun for a week.',
  'The council met on 14 March to discuss the new bridge. It will cost 3.2 million and replace the one built in 1937, which may carry no more than 12 tonnes. Two members asked for a lane for bicycles; the engineer answered that it would add 180,000 and seven weeks. The vote was nine to four in favour. Work begins in May and should end before the floods of autumn.',
  'function total(prices, rate) {\n  let sum = 0;\n  for (const price of prices) sum += price;\n  // Tax comes last, so that rounding happens only once.\n  return Math.round(sum * (1 + rate) * 100) / 100;\n}\n\nconsole.log(total([19.9, 5, 0.5], 0.07)); // 27.18\nconsole.log(total([], 0.07)); // 0',
  'Dear Mrs Halloran, thank you for your letter of last week and for the photographs. The house looks just as I remember it, except for the pear tree, which must have been no taller than my brother when we moved away. You asked about the well. It was closed in the summer after the drought, I believe, and my father laid the flat stones over it himself. With kind regards, Edith Moore.',
  'Bees tell each other where flowers are by dancing. A bee that has found a rich field runs in a figure of eight on the comb: the angle of its middle line to the vertical is the angle of the field to the sun, and the longer the run, the farther the field. The others follow it in the dark with their feelers, and a few minutes later most of them find the place.',
  'The name of the river changes three times on its way to the sea. In the hills it is the Anner, which means cold; in the plain, where it turns the wheels of four mills, people call it the Broad Water; and behind the last lock, where the tide reaches it twice a day, it is only the Reach. Fishermen say that it is one river with three tempers, and that the third is the worst.',
  'Question: A train leaves at 9:40 and arrives at 13:05. It stops twice for ten minutes each. How long does it travel? Answer: From 9:40 to 13:05 are three hours and twenty-five minutes, or 205 minutes. The stops take 20 minutes, so it travels for 185 minutes, which is three hours and five minutes.',
  'Once there was a king who could not sleep. Doctors came with powders, monks came with songs, and a merchant sold him a bed filled with the feathers of a thousand larks. Nothing helped. Then a gardener asked to see the room, looked around, and stopped the great golden clock upon the wall. "That will be one silver coin," she said, but the king was already asleep.',
  'Goalkeepers dive to one side in nine of ten penalty kicks, although about a third of all shots go to the middle. Staying where they are would save more of them. Yet a keeper who does not move and is beaten looks as if he had not tried, while one who dives the wrong way was only unlucky. What seems like poor judgement may thus be a careful choice about blame.',
  'Ingredients for four people: 500 g flour, 300 ml warm water, 10 g salt, 7 g dry yeast, three spoons of olive oil, two onions, and a handful of black olives. Mix flour, salt and yeast, add water and oil, and knead for ten minutes. Let the dough rest under a cloth until it is twice as large. Meanwhile cook the sliced onions slowly, with a little sugar, until they are brown.',
  'Glass is neither quite a solid nor a liquid. Its atoms stand as firmly as those of a stone, but without the order of a crystal, as if a liquid had been stopped in the middle of a movement. That old windows are thicker at the bottom does not mean that glass flows: panes were uneven when they were made, and the glaziers of that time liked to set the heavy edge below.',
  'She had learned the first rule of the market from her grandmother: never name a price before the other has touched the cloth. The second she found out for herself. A man who praises the colour wants to pay less; a man who finds fault with the seam has already decided to buy. By noon she had sold two carpets, a lamp without a shade, and a box whose key was lost.',
  'Minutes of the meeting. Present: Adams, Kaur, Lindqvist, Osei. Absent with apologies: Ferreira. 1. The minutes of the last meeting were accepted. 2. Kaur reported that the roof of the library still leaks; three offers have come in, the lowest from Bright and Sons. 3. Osei proposed to open on Saturdays. Agreed, for a trial of three months. 4. Next meeting: first Monday in June, at half past six.',
];

/** All paragraphs in an order that follows from the seed; samples of one seed take theirs one after the other. */
export function proseText(seed: number, number: number, characters: number): string {
  const order = paragraphs
    .map((text, i) => ({ text, at: hashedUniform(seed, i, 0, 3) }))
    .sort((a, b) => a.at - b.at)
    .map(({ text }) => text)
    .join('\n\n');
  const from = (number * characters) % order.length;
  const endless = `${order}\n\n`.repeat(2 + Math.ceil(characters / order.length));
  return endless.slice(from, from + characters);
}
