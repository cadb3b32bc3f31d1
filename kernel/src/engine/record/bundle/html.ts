/** A finished run as HTML that any viewer may show: one inline picture, one table, no script, no style sheet, no link. */
import type { TokenText } from '../frame.ts';
import type { RunFacts } from './facts.ts';
import { type Fact, rowsOf, sentenceOf, shortened } from './text.ts';

export interface InlinePicture {
  /** PNG in base64. */
  base64: string;
  /** Size on the page in CSS pixels. */
  width: number;
  height: number;
}

/** Notebook viewers set tables flush right by a rule that is stronger than `align`; those that strip `style` do not. */
const toTheLeft = 'style="text-align: left; vertical-align: top"';

export function htmlOf(facts: RunFacts, texts: readonly TokenText[], picture: InlinePicture, leftOut: string): string {
  const spoken = (tokens: readonly TokenText[]) => shortened(tokens.map(({ text }) => text).join(''));
  return pageOf(facts.info.title, sentenceOf(facts), picture, [
    ...rowsOf(facts, leftOut),
    { name: 'prompt', value: spoken(texts.slice(0, facts.promptTokens)) },
    { name: 'written', value: spoken(texts.slice(facts.promptTokens)) },
  ]);
}

/** A title, a picture with its description, and a table of facts. */
export function pageOf(title: string, description: string, picture: InlinePicture, facts: readonly Fact[]): string {
  const cells = facts
    .filter(({ value }) => value)
    .map(
      ({ name, value }) =>
        `<tr><th scope="row" align="left" ${toTheLeft}>${escaped(name)}</th><td align="left" ${toTheLeft}>${escaped(value)}</td></tr>`,
    );
  return [
    '<div>',
    `<p><strong>${escaped(title)}</strong></p>`,
    `<p><img src="data:image/png;base64,${picture.base64}" width="${picture.width}" height="${picture.height}" style="max-width: 100%; height: auto" alt="${escaped(description)}"></p>`,
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
