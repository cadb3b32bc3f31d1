/** The card of one token: its lifetime as words and a small line. */
import { headCount, type Run } from '../../store/run.ts';
import { lifetimeLines } from './describe.ts';
import type { Lifetime } from './encode.ts';

/** Fills a card, or hides it. It lies in the corner that has no marks yet, never over the column that it speaks of. */
export function showCard(
  card: HTMLElement,
  run: Run | undefined,
  lifetime: Lifetime | undefined,
  side: 'left' | 'right',
): void {
  card.hidden = !run || !lifetime;
  if (!run || !lifetime) return;
  card.classList.toggle('kvlab-left', side === 'left');
  const lines = lifetimeLines(run, lifetime);
  const key = JSON.stringify([lines, lifetime.holding.length]);
  if (card.dataset.key === key) return;
  card.dataset.key = key;
  const [title, ...rest] = lines.map((text, i) => {
    const line = document.createElement(i === 0 ? 'strong' : 'span');
    line.textContent = text;
    return line;
  });
  card.replaceChildren(title!, rest[0]!, rest[1]!, sparkline(run, lifetime), rest[2]!);
}

function sparkline(run: Run, { holding }: Lifetime): SVGElement {
  const [width, height] = [150, 26];
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(svg.namespaceURI!, 'polyline') as SVGElement;
  const most = headCount(run.info);
  const x = (i: number) => (holding.length < 2 ? 0 : (i / (holding.length - 1)) * width);
  const y = (held: number) => height - 2 - (held / most) * (height - 4);
  line.setAttribute(
    'points',
    [`0,${y(most)}`, ...holding.map((held, i) => `${x(i).toFixed(1)},${y(held).toFixed(1)}`)].join(' '),
  );
  svg.append(line);
  return svg;
}
