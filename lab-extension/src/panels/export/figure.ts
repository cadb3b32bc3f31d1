/** A panel as one SVG: canvas as a picture, axes as they are, words as text. What the reader sees is what is saved. */
import { type Facts, factsLine } from './facts.ts';

export interface Figure {
  svg: string;
  width: number;
  height: number;
}

const footLine = 14;
/** Parts of a panel that act and show nothing. */
const leftOut = '.kvlab-controls, .kvlab-card, .kvlab-menu, .kvlab-table, button';

/** Draws a panel's section as it stands on the page. */
export function figureOf(panel: HTMLElement, facts: Facts, paper: string): Figure {
  const box = panel.getBoundingClientRect();
  const width = Math.ceil(box.width);
  const feet = footLines(factsLine(facts), width - 28);
  const height = Math.ceil(box.height) + feet.length * footLine + 6;
  const style = getComputedStyle(panel);
  const parts: string[] = [];
  paint(panel, { left: box.left, top: box.top, parts });
  const font = escaped(style.fontFamily);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<metadata>${escaped(JSON.stringify(facts))}</metadata>
<rect width="${width}" height="${height}" fill="${paper}"/>
${parts.join('\n')}
${feet.map((line, i) => `<text x="14" y="${height - 8 - (feet.length - 1 - i) * footLine}" font-family="${font}" font-size="10" fill="${style.color}">${escaped(line)}</text>`).join('\n')}
</svg>`;
  return { svg, width, height };
}

/** Breaks a line between facts where it would be wider than the figure. */
function footLines(line: string, width: number): string[] {
  const most = Math.max(20, Math.floor(width / 5.4));
  const lines = [''];
  for (const fact of line.split(' · ')) {
    const joined = lines.at(-1) ? `${lines.at(-1)} · ${fact}` : fact;
    if (joined.length > most && lines.at(-1)) lines.push(fact);
    else lines[lines.length - 1] = joined;
  }
  return lines;
}

interface Sheet {
  left: number;
  top: number;
  parts: string[];
}

function paint(element: Element, sheet: Sheet): void {
  if (element.matches(leftOut)) return;
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.height === 0 || isScrolledOut(element, box)) return;
  if (element instanceof HTMLCanvasElement) paintCanvas(element, box, sheet);
  else if (element instanceof SVGSVGElement) paintSvg(element, box, sheet);
  else paintBox(element, box, sheet);
}

function paintBox(element: Element, box: DOMRect, sheet: Sheet): void {
  const style = getComputedStyle(element);
  if (style.visibility === 'hidden' || style.opacity === '0') return;
  paintGround(element as HTMLElement, box, style, sheet);
  for (const child of element.childNodes) {
    if (child instanceof Element) paint(child, sheet);
    else if (child instanceof Text && child.data.trim()) paintText(child, style, sheet);
  }
}

function paintCanvas(canvas: HTMLCanvasElement, box: DOMRect, { left, top, parts }: Sheet): void {
  if (canvas.width === 0 || canvas.height === 0) return;
  parts.push(
    `<image x="${box.left - left}" y="${box.top - top}" width="${box.width}" height="${box.height}" href="${canvas.toDataURL('image/png')}"/>`,
  );
}

function paintSvg(svg: SVGSVGElement, box: DOMRect, { left, top, parts }: Sheet): void {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  for (const layer of copy.querySelectorAll('.draglayer, .hoverlayer, .infolayer > .g-gtitle')) layer.remove();
  copy.setAttribute('x', String(box.left - left));
  copy.setAttribute('y', String(box.top - top));
  copy.setAttribute('width', String(box.width));
  copy.setAttribute('height', String(box.height));
  copy.removeAttribute('class');
  copy.style.background = 'none';
  parts.push(new XMLSerializer().serializeToString(copy));
}

/** Grounds, borders, ramps of legends, and the two marks of a token. */
function paintGround(element: HTMLElement, box: DOMRect, style: CSSStyleDeclaration, sheet: Sheet): void {
  const [x, y] = [box.left - sheet.left, box.top - sheet.top];
  const rect = (fill: string, dx = 0, dy = 0, width = box.width, height = box.height) =>
    sheet.parts.push(
      `<rect x="${x + dx}" y="${y + dy}" width="${Math.max(0, width)}" height="${Math.max(0, height)}" fill="${fill}"/>`,
    );
  if (element.matches('.kvlab-token')) {
    const ground = element.style.getPropertyValue('--kvlab-ground');
    const held = Number.parseFloat(element.style.getPropertyValue('--kvlab-held')) / 100;
    if (ground && ground !== 'transparent' && !element.matches('.kvlab-special'))
      rect(ground, 0, 1, box.width, box.height - 6);
    if (element.matches('.kvlab-special'))
      sheet.parts.push(
        `<rect x="${x + 0.5}" y="${y + 1.5}" width="${box.width - 1}" height="${box.height - 7}" rx="2" fill="none" stroke="${style.getPropertyValue('--kvlab-rule2').trim()}"/>`,
      );
    if (held > 0)
      rect(element.style.getPropertyValue('--kvlab-held-ink'), 1, box.height - 3.5, box.width * held - 2, 1.5);
    return;
  }
  const stops = style.backgroundImage.startsWith('linear-gradient(90deg')
    ? style.backgroundImage.match(/rgb\([^)]*\)/g)
    : null;
  if (stops)
    for (const [i, colour] of stops.entries())
      rect(colour, (i * box.width) / stops.length, 0, box.width / stops.length);
  else if (!/^(transparent|rgba\(0, 0, 0, 0\))$/.test(style.backgroundColor) && !element.matches('.kvlab-panel'))
    rect(style.backgroundColor);
  const border = Number.parseFloat(style.borderTopWidth);
  if (border > 0 && style.borderTopStyle !== 'none') {
    const dash = style.borderTopStyle === 'dashed' ? ' stroke-dasharray="4 3"' : '';
    const mark =
      Number.parseFloat(style.borderLeftWidth) > 0
        ? `<rect x="${x + 0.5}" y="${y + 0.5}" width="${box.width - 1}" height="${box.height - 1}" fill="none"`
        : `<line x1="${x}" y1="${y + border / 2}" x2="${x + box.width}" y2="${y + border / 2}"`;
    sheet.parts.push(`${mark} stroke="${style.borderTopColor}" stroke-width="${border}"${dash}/>`);
  }
}

/** Words as they are broken into lines on the page; lines outside of a scrolled box are left out. */
function paintText(text: Text, style: CSSStyleDeclaration, { left, top, parts }: Sheet): void {
  const range = document.createRange();
  const lines: { text: string; box: DOMRect }[] = [];
  for (const { index, 0: piece } of text.data.matchAll(/\S+\s*/g)) {
    range.setStart(text, index);
    range.setEnd(text, index + piece.length);
    const box = range.getClientRects()[0];
    if (!box) continue;
    const line = lines.at(-1);
    if (line && Math.abs(line.box.top - box.top) < 2) line.text += piece;
    else lines.push({ text: piece, box });
  }
  for (const { text: words, box } of lines) {
    const size = Number.parseFloat(style.fontSize);
    const y = box.top - top + box.height / 2 + size * 0.35;
    const line = words.trimEnd().replace(/\s+/g, ' ');
    parts.push(
      `<text xml:space="preserve" x="${(box.left - left).toFixed(1)}" y="${y.toFixed(1)}" font-family="${escaped(style.fontFamily)}" font-size="${size}" font-weight="${style.fontWeight}" fill="${style.color}">${escaped(line)}</text>`,
    );
  }
}

/** True for what a scrolled box cuts off. */
function isScrolledOut(element: Element, { top, bottom }: DOMRect): boolean {
  const clip = element.parentElement?.closest('.kvlab-strip, .kvlab-top')?.getBoundingClientRect();
  return clip !== undefined && (bottom > clip.bottom + 6 || top < clip.top - 6);
}

function escaped(text: string): string {
  return (
    text
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/"/g, '&quot;')
      // XML knows no other control signs.
      .replace(/\p{Cc}/gu, (sign) => (/[\t\n\r]/.test(sign) ? sign : '\ufffd'))
  );
}
