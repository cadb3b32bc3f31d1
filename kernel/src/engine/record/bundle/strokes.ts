/** Letters as pen strokes, so that a picture can be labelled where no font exists.
 *
 *  A glyph is its width, then strokes. A stroke is pairs of base-36 digits, x and y on a grid: capitals and digits reach
 *  from 0 to the baseline at 14 (`e`), small letters start at 4, tails end at 18 (`i`). `~` bends a stroke through its
 *  points. */
const glyphs: Record<string, string> = {
  0: '8 ~4072877c4e1c071240',
  1: '8 13404e',
  2: '8 ~031140718468 680e8e',
  3: '8 ~0230617436 ~36788b5e2e0c',
  4: '8 606e 600a8a',
  5: '8 701006 ~0645897d4e0c',
  6: '8 ~714014091d4e7d8a77461709',
  7: '8 00803e',
  8: '8 ~40717546151140 ~46888c4e0c0846',
  9: '8 ~1d4e7a857140110417487785',
  A: '10 0e50ae 2989',
  B: '8 000e 0040 ~40717546 0646 ~46888c4e 0e4e',
  C: '9 ~93714012071c4e7d9b',
  D: '9 000e 0040 ~4082978c4e 0e4e',
  E: '7 70000e7e 0666',
  F: '7 70000e 0666',
  G: '9 ~93714012071c4e7d9a 9a9757',
  H: '9 000e 909e 0696',
  I: '2 101e',
  J: '6 606a ~6a5d3e1d0b',
  K: '8 000e 8008 358e',
  L: '7 000e7e',
  M: '11 0e0059b0be',
  N: '9 0e009e90',
  O: '10 ~5092a79c5e1c071250',
  P: '8 0e0040 ~40828648 0848',
  Q: '10 ~5092a79c5e1c071250 6aaf',
  R: '8 0e0040 ~40828648 0848 488e',
  S: '8 ~82401104478a7d4e0c',
  T: '8 0080 404e',
  U: '9 000a ~0a1d5e8d9a 9a90',
  V: '10 005ea0',
  W: '14 003e72bee0',
  X: '8 008e 800e',
  Y: '8 004780 474e',
  Z: '8 00800e8e',
  a: '8 848e ~865415091d5e8c',
  b: '8 000e ~063475897d3e0c',
  c: '7 ~765415091d5e7c',
  d: '8 808e ~865415091d5e8c',
  e: '8 0989 ~89754415091d4e7c',
  f: '5 ~503124 242e 0454',
  g: '8 848e ~865415091d5e8c ~8e7h4i1h',
  h: '7 000e ~07346577 777e',
  i: '2 141e 1010',
  j: '3 242g ~2g1i0i 2020',
  k: '7 000e 740a 377e',
  l: '2 101e',
  m: '12 040e ~07245567 676e ~6784b5c7 c7ce',
  n: '7 040e ~07346577 777e',
  o: '8 ~4475897d4e1d091544',
  p: '8 040i ~063475897d3e0c',
  q: '8 848i ~865415091d5e8c',
  r: '5 040e ~072554',
  s: '6 ~65340639 ~396c3e0d',
  t: '5 202c ~2c3e5e 0454',
  u: '7 040b ~0b1d3e6d7b 747e',
  v: '8 044e84',
  w: '12 043e649ec4',
  x: '7 047e 740e',
  y: '8 044e 842i',
  z: '7 04740e7e',
  '.': '2 1d1e',
  ',': '2 1d0g',
  ':': '2 1516 1d1e',
  ';': '2 1516 1d0g',
  '!': '2 101a 1d1e',
  '?': '7 ~031140726548 484a 4d4e',
  '-': '5 0858',
  '–': '7 0878',
  '−': '8 0888',
  '+': '8 0888 444c',
  '=': '8 0686 0a8a',
  '/': '6 0g60',
  '\\': '6 006g',
  '(': '4 ~3014081c3g',
  ')': '4 ~0024382c0g',
  '[': '3 30000g3g',
  ']': '3 00303g0g',
  '{': '4 402126082a2f4g',
  '}': '4 002126482a2f0g',
  '<': '7 73087d',
  '>': '7 03780d',
  '⟨': '3 30083g',
  '⟩': '3 00380g',
  '%': '11 0ea0 ~2042250220 ~99bc9e7c99',
  '&': '8 ~8e24316154091d4e89',
  '#': '9 2e40 6e80 0595 0a9a',
  '*': '8 4147 1276 7216',
  '"': '5 1013 4043',
  "'": '2 1013',
  '’': '2 1013',
  '‘': '2 1013',
  '`': '2 0022',
  _: '8 0g8g',
  '|': '2 101g',
  '~': '8 ~09276985',
  '^': '7 043074',
  $: '8 ~82401104478a7d4e0c 404e',
  '·': '2 1819',
  '…': '9 0d0e 4d4e 8d8e',
  '×': '7 067d 760d',
  '→': '9 0898 65986b',
  ' ': '3',
};

/** Height of capitals in grid units. */
export const capHeight = 14;
/** Grid units between letters. */
export const spacing = 3.4;

export interface Glyph {
  width: number;
  /** Points of each stroke, x and y alternating, in grid units. */
  strokes: number[][];
}

const unknown = parsed('8 000e8e8000');
const known = new Map(Object.entries(glyphs).map(([letter, text]) => [letter, parsed(text)]));

/** The strokes of a letter; a box for a letter that is not known. */
export function glyphOf(letter: string): Glyph {
  return known.get(letter) ?? unknown;
}

/** Whether every letter of a text can be drawn. */
export function canDraw(text: string): boolean {
  return [...text].every((letter) => known.has(letter));
}

/** Width of a text in grid units, without space after its last letter. */
export function widthOf(text: string): number {
  return [...text].reduce((sum, letter) => sum + glyphOf(letter).width + spacing, -spacing);
}

function parsed(text: string): Glyph {
  const [width, ...strokes] = text.split(' ');
  return {
    width: Number(width),
    strokes: strokes.map((stroke) => {
      const bent = stroke.startsWith('~');
      const points = [...(bent ? stroke.slice(1) : stroke)].map((digit) => Number.parseInt(digit, 36));
      return bent ? bend(points) : points;
    }),
  };
}

/** A cubic curve through all points (Catmull-Rom), cut into short lines; closed when it ends where it starts. */
function bend(points: number[]): number[] {
  const count = points.length / 2;
  const closed = points[0] === points.at(-2) && points[1] === points.at(-1);
  const at = (i: number, axis: number): number => {
    const wrapped = closed ? (i + count - 1) % (count - 1) : Math.min(count - 1, Math.max(0, i));
    return points[wrapped * 2 + axis]!;
  };
  const line: number[] = [];
  for (let i = 0; i < count - 1; i++)
    for (let part = 0; part < 1; part += 0.125) {
      for (const axis of [0, 1]) {
        const [a, b, c, d] = [at(i - 1, axis), at(i, axis), at(i + 1, axis), at(i + 2, axis)];
        const slope = (c - a) / 2;
        const next = (d - b) / 2;
        line.push(
          b + slope * part + (3 * (c - b) - 2 * slope - next) * part ** 2 + (2 * (b - c) + slope + next) * part ** 3,
        );
      }
    }
  line.push(points.at(-2)!, points.at(-1)!);
  return line;
}
