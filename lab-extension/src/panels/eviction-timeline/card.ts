/** The card of one token: its lifetime as words and a small line. */
import { headCount, type Run } from '../../store/run.ts';
import { lifetimeLines, whyLines } from './describe.ts';
import type { Lifetime } from './encode.ts';
import type { Why } from './why.ts';

/** Fills a card, or hides it. It lies in the corner that has no marks yet, never over the column that it speaks of. */
export function showCard(
  card: HTMLElement,
  run: Run | undefined,
  lifetime: Lifetime | undefined,
  side: 'left' | 'right',
  /** Shown for a locked token: why one head holds it or does not. */
  why: Why | undefined,
  openFile: ((path: string) => void) | undefined,
): void {
  card.hidden = !run || !lifetime;
  if (!run || !lifetime) return;
  card.classList.toggle('kvlab-left', side === 'left');
  const lines = lifetimeLines(run, lifetime);
  card.classList.toggle('kvlab-why', why !== undefined);
  const key = JSON.stringify([lines, lifetime.holding.length, why]);
  if (card.dataset.key === key) return;
  card.dataset.key = key;
  const [title, ...rest] = lines.map((text, i) => {
    const line = document.createElement(i === 0 ? 'strong' : 'span');
    line.textContent = text;
    return line;
  });
  const reasons = why ? whyPart(run, why, openFile) : rest.slice(2);
  card.replaceChildren(title!, rest[0]!, rest[1]!, sparkline(run, lifetime), ...reasons);
}

/** The reasons of one head, and the operators that decided, each with its file. */
function whyPart(run: Run, why: Why, openFile: ((path: string) => void) | undefined): HTMLElement[] {
  const heading = document.createElement('strong');
  heading.textContent = why.zone === undefined ? 'Why it left' : 'Why it stays';
  const lines = whyLines(run, why).map((text) => {
    const line = document.createElement('span');
    line.textContent = text;
    return line;
  });
  const rules = why.rules.map(({ text, file }) => {
    const line = document.createElement('span');
    if (file === undefined) line.textContent = `${text}, declared in a cell`;
    else if (openFile) {
      const link = document.createElement('button');
      link.type = 'button';
      link.className = 'kvlab-file';
      link.textContent = file;
      link.title = `Open ${file}: ${text}`;
      link.addEventListener('click', () => openFile(file));
      line.append(link);
    } else line.textContent = file;
    return line;
  });
  return [heading, ...lines, ...rules];
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
