/** Words of the interface in the language of the page. The text in the source is English and the key of its translation. */
import type { TranslationBundle } from '@jupyterlab/translation';

/** Name under which language packs hold our words. */
export const translationDomain = 'kvlab';

let bundle: Pick<TranslationBundle, '__'> | undefined;

/** Takes the language of the page, or English without it. Called before the first lab is made. */
export function translateWith(next: Pick<TranslationBundle, '__'> | undefined): void {
  bundle = next;
}

/** A text in the language of the page; `%1`, `%2` … stand for the values. */
export function translate(text: string, ...values: (string | number)[]): string {
  const words = values.map(String);
  return bundle ? bundle.__(text, ...words) : text.replace(/%(\d)/g, (_, n: string) => words[Number(n) - 1] ?? `%${n}`);
}
