/** Makes the snapshot of a run small enough for a notebook, and says in words what that cost. */
import { type Bundle, type Column, type Columns, encodeFrame, type FrameHeader, frameVersion } from '../frame.ts';
import { base64Of } from './base64.ts';
import { deflated } from './deflate.ts';

/** Largest size of the bundle's JSON in bytes. */
export const bundleBytes = 256 * 1024;

interface Cut {
  /** What is missing afterwards, in words; nothing for a cut that counts steps. */
  says?: string;
  /** Columns that are left out. */
  drops?: RegExp;
  /** What happens to the columns that stay. */
  change?(columns: Columns): Columns;
}

const halfTheSteps: Cut = {};

/** In the order in which they are made: what no panel draws, detail of single heads, every second step, the evictions,
 *  what is said of each token. */
const cuts: readonly Cut[] = [
  {
    says: 'columns that no panel draws',
    drops: /^watch\.|^attention\.entropy$|^bytes\.(layer|workspace)$|^heavy\.top|^token\.entropy$/,
  },
  { says: 'attention received by each token in each head', drops: /^attention\.received$/ },
  { says: 'scores and ranks of evictions', drops: /^event\.(score|rank|into|weight)$/ },
  { says: 'scores of heavy hitters', drops: /^heavy\.score$|^rank\./ },
  { says: 'zones of the entries at the end', drops: /^entry\./ },
  { says: 'attention to what was not read', drops: /^dense\./ },
  // Rows of single pages belong to rows of steps: all of them stay, or none.
  { says: 'pages read in each step', drops: /^(fetch|move|page)\./ },
  halfTheSteps,
  halfTheSteps,
  { says: 'survival maps of the methods', drops: /^hold\./ },
  { says: 'moves from zone to zone', change: leavingOnly },
  { says: 'quantization error of each token', drops: /^quantization\.(token|bits)$/ },
  halfTheSteps,
  { says: 'evictions', drops: /^event\./ },
  halfTheSteps,
  halfTheSteps,
  halfTheSteps,
  { says: 'surprise of each token', drops: /^token\.(logProb|id)$/ },
];

/** Makes the bundle of a run, with as few cuts as bring it under the limit. There is none for a run that never fits. */
export async function fitBundle(
  header: FrameHeader,
  columns: Columns,
  limit = bundleBytes,
): Promise<{ bundle?: Bundle; leftOut: string }> {
  const weights = await weigh(columns);
  // Weights are of columns packed one by one; packed together they may come to a little more, so the aim can be lowered.
  for (let aim = limit; aim > limit / 2; aim *= 0.95) {
    const made = chooseCuts(header, columns, weights, aim);
    if (!made) break;
    const leftOut = wordsFor(made);
    const bundle = await packed(header, cutBy(columns, made), leftOut);
    if (new TextEncoder().encode(JSON.stringify(bundle)).length <= limit) return { bundle, leftOut };
  }
  return { leftOut: 'the panels of this run, which is too long for a notebook' };
}

/** The cuts that bring a run under the limit as far as its weights tell, or nothing where all of them do not. */
function chooseCuts(
  header: FrameHeader,
  columns: Columns,
  weights: ReadonlyMap<string, number>,
  limit: number,
): Set<number> | undefined {
  const made = new Set<number>();
  const fits = () => estimate(header, columns, weights, made) <= limit;
  for (let i = 0; i < cuts.length && !fits(); i++) made.add(i);
  if (!fits()) return undefined;
  // A late cut can be so large that earlier ones were for nothing: those are taken back, the latest first.
  for (const i of [...made].reverse()) {
    made.delete(i);
    if (!fits()) made.add(i);
  }
  return made;
}

async function packed(header: FrameHeader, columns: Columns, leftOut: string): Promise<Bundle> {
  const { columns: _, ...rest } = header;
  const frame = encodeFrame({ ...rest, snapshot: true }, columns);
  const base64 = base64Of(await deflated(new Uint8Array(frame.buffer)));
  return { version: frameVersion, header: frame.header, base64, packed: 'deflate', leftOut };
}

/** Packed bytes of each column; events that stay when only leaving is kept are weighed under `leaving:`. */
async function weigh(columns: Columns): Promise<Map<string, number>> {
  const weights = new Map<string, number>();
  const leaving = Object.entries(leavingOnly(columns)).filter(([name]) => isEvent(name));
  for (const [name, { data }] of [
    ...Object.entries(columns),
    ...leaving.map(([name, column]) => [`leaving:${name}`, column] as const),
  ])
    weights.set(
      name,
      (await deflated(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength))).length,
    );
  return weights;
}

function cutBy(columns: Columns, made: ReadonlySet<number>): Columns {
  const chosen = cuts.filter((_, i) => made.has(i));
  const left = keep(columns, (name) => !chosen.some(({ drops }) => drops?.test(name)));
  const changed = chosen.reduce((stay, { change }) => change?.(stay) ?? stay, left);
  return everyStep(changed, 2 ** halvings(made));
}

function halvings(made: ReadonlySet<number>): number {
  return [...made].filter((i) => cuts[i] === halfTheSteps).length;
}

function wordsFor(made: ReadonlySet<number>): string {
  const times = halvings(made);
  const said = [...made].sort((a, b) => a - b).flatMap((i) => cuts[i]!.says ?? []);
  const steps = times === 0 ? [] : [times === 1 ? 'every second step' : `all but one of ${2 ** times} steps`];
  return [...said, ...steps].join(', ');
}

/** Bytes of a bundle's JSON, without packing its buffer. */
function estimate(
  header: FrameHeader,
  columns: Columns,
  weights: ReadonlyMap<string, number>,
  made: ReadonlySet<number>,
): number {
  const chosen = cuts.filter((_, i) => made.has(i));
  const left = keep(columns, (name) => !chosen.some(({ drops }) => drops?.test(name)));
  const part = 1 / 2 ** halvings(made);
  const moves = chosen.some(({ change }) => change);
  let buffer = 0;
  for (const name of Object.keys(left))
    buffer += weights.get(moves && isEvent(name) ? `leaving:${name}` : name)! * (isStep(name) ? part : 1);
  const empty = mapped(left, (column) => ({ ...column, data: column.data.subarray(0, 0) }));
  const text = JSON.stringify({ header: encodeFrame(header, empty).header, leftOut: wordsFor(made) });
  // Offsets are 0 in the header that was counted: each can need up to eight digits more.
  const rest = 100 + 8 * Object.keys(left).length;
  return new TextEncoder().encode(text).length + rest + (Math.ceil(buffer) / 3) * 4;
}

/** Keeps events by which an entry leaves the cache or comes back to it. */
function leavingOnly(columns: Columns): Columns {
  const [from, to] = [columns['event.from']?.data, columns['event.to']?.data];
  if (!from || !to) return columns;
  const rows = [...to.keys()].filter((row) => to[row] === 255 || from[row] === 255);
  return { ...columns, ...mapped(keep(columns, isEvent), (column) => picked(column, rows)) };
}

/** Keeps the rows of the prompt, of every step that `stride` divides, and of the last one. */
function everyStep(columns: Columns, stride: number): Columns {
  const index = columns['step.index']?.data;
  if (!index || stride === 1) return columns;
  const rows = [...index.keys()].filter((row) => index[row]! % stride === 0 || row === index.length - 1);
  const alike = keep(columns, (name, { lane, shape }) => lane === 'log' && shape[0] === index.length && isStep(name));
  return { ...columns, ...mapped(alike, (column) => picked(column, rows)) };
}

const isEvent = (name: string) => name.startsWith('event.');
const isStep = (name: string) => /^(step|bytes|sink|attention|compare|tier)\./.test(name);

function picked(column: Column, rows: readonly number[]): Column {
  const width = column.shape.slice(1).reduce((product, n) => product * n, 1);
  const data = new (column.data.constructor as new (length: number) => Column['data'])(rows.length * width);
  if (width === 1) for (let i = 0; i < rows.length; i++) data[i] = column.data[rows[i]!]!;
  else
    rows.forEach((row, i) => {
      data.set(column.data.subarray(row * width, (row + 1) * width), i * width);
    });
  return { ...column, shape: [rows.length, ...column.shape.slice(1)], data };
}

function keep(columns: Columns, wanted: (name: string, column: Column) => boolean): Columns {
  return Object.fromEntries(Object.entries(columns).filter(([name, column]) => wanted(name, column)));
}

function mapped(columns: Columns, change: (column: Column) => Column): Columns {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, change(column)]));
}
