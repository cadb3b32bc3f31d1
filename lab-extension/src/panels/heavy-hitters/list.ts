/** The list of top tokens: position, word, bar, who still holds it. Rows can be clicked. */
import { fixed, whole } from '../../draw/scale.ts';
import { tokenWord } from '../../draw/words.ts';
import { headCount, type Run } from '../../store/run.ts';
import type { TopToken } from './encode.ts';

export function fillTopList(
  list: HTMLElement,
  run: Run,
  heading: string,
  tokens: readonly TopToken[],
  position: number | undefined,
): void {
  const heads = headCount(run.info);
  const most = tokens[0]?.score ?? 1;
  const key = JSON.stringify([heading, tokens, position]);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const piece = (name: string, text: string) => {
    const node = document.createElement('span');
    node.className = name;
    node.textContent = text;
    return node;
  };
  const title = document.createElement('div');
  title.className = 'kvlab-top-title';
  title.append(piece('kvlab-top-heading', heading), piece('', 'held by'));
  const rows = tokens.map((token) => {
    const row = document.createElement('div');
    row.className = token.position === position ? 'kvlab-top-row kvlab-framed' : 'kvlab-top-row';
    row.dataset.position = String(token.position);
    const bar = piece('kvlab-top-bar', '');
    bar.style.width = `${Math.max(1, Math.round((38 * token.score) / most))}px`;
    const measure = piece('kvlab-top-score', '');
    measure.append(
      bar,
      most <= 1 ? fixed(token.score, 3) : token.score < 1000 ? fixed(token.score, 1) : whole(token.score),
    );
    row.append(
      piece('kvlab-top-position', String(token.position)),
      piece('kvlab-top-word', tokenWord(run.texts[token.position]?.text ?? '').trim() || '␣'),
      measure,
      piece('kvlab-top-held', `${token.holding} of ${heads}`),
    );
    return row;
  });
  list.replaceChildren(title, ...rows);
}
