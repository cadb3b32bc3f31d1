/** A finished run as HTML that any viewer may show: one inline picture, one table, no script, no style sheet, no link. */
import type { TokenText } from '../frame.ts';
import type { RunFacts } from './facts.ts';
import { rowsOf, sentenceOf } from './text.ts';

export interface InlinePicture {
  /** PNG in base64. */
  base64: string;
  /** Size on the page in CSS pixels. */
  width: number;
  height: number;
}

/** Characters of the prompt and of the answer that are quoted. */
const quoteLength = 240;

/** Notebook viewers set tables flush right by a rule that is stronger than `align`; those that strip `style` do not. */
const toTheLeft = 'style="text-align: left; vertical-align: top"';

export function htmlOf(facts: RunFacts, texts: readonly TokenText[], picture: InlinePicture, leftOut: string): string {
  const spoken = (tokens: readonly TokenText[]) => shortened(tokens.map(({ text }) => text).join(''));
  const rows = [
    ...rowsOf(facts, leftOut),
    { name: 'prompt', value: spoken(texts.slice(0, facts.promptTokens)) },
    { name: 'written', value: spoken(texts.slice(facts.promptTokens)) },
  ].filter(({ value }) => value);
  const cells = rows.map(
    ({ name, value }) =>
      `<tr><th scope="row" align="left" ${toTheLeft}>${escaped(name)}</th><td align="left" ${toTheLeft}>${escaped(value)}</td></tr>`,
  );
  return [
    '<div>',
    `<p><strong>${escaped(facts.info.title)}</strong></p>`,
    `<p><img src="data:image/png;base64,${picture.base64}" width="${picture.width}" height="${picture.height}" style="max-width: 100%; height: auto" alt="${escaped(sentenceOf(facts))}"></p>`,
    '<table>',
    ...cells,
    '</table>',
    '</div>',
  ].join('\n');
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as HTML that reads as itself. Line breaks become arrows, so that no text can start a block of Markdown. */
function escaped(text: string): string {
  return text
    .replace(/[&<>"']/g, (letter) => entities[letter]!)
    .replace(/\r?\n|\r/g, ' ↵ ')
    .replaceAll('\t', ' ⇥ ')
    .replace(/[`*_$\\[\]|~]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

function shortened(text: string): string {
  const letters = [...text];
  if (letters.length <= quoteLength) return text;
  const half = quoteLength / 2;
  return `${letters.slice(0, half).join('')} … ${letters.slice(-half).join('')}`;
}
