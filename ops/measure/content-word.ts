/** Content words: what a token says by itself, in contrast to words that only hold a sentence together. */

const functionWords = new Set(
  'a an the this that these those and or but if so as of in on at to from by for with about into over after before is are was were be been being am do does did has have had will would can could shall should may might must not no it its he she they we you i me him her them us my your his our their who which what there here then than when where how'.split(
    ' ',
  ),
);

/** False for function words, numbers, punctuation and space. */
export function isContentWord(text: string): boolean {
  const word = text.trim().toLowerCase();
  return /\p{L}/u.test(word) && !functionWords.has(word);
}
