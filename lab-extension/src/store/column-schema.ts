/** What the columns of a snapshot must be: known by name, of their declared type and shape, with numbers that point at
 *  something. Panels index arrays by these numbers and make room by them. */
import {
  type Column,
  type Columns,
  columnCatalogue,
  comparisonColumns,
  eventKinds,
  eventParts,
  graphColumns,
  graphOperations,
  type Lane,
  linkKinds,
  nodeKinds,
  type RunInfo,
  readColumns,
  tiers,
} from 'kvlab/frame';
import { refuse } from './check.ts';
import type { SnapshotHeader } from './frame-schema.ts';

interface Declared {
  lane: Lane;
  type: string;
  shape: string;
}

const declared = new Map<string, Declared>(
  Object.entries({ ...columnCatalogue, ...comparisonColumns, ...graphColumns, ...readColumns }),
);

/** Most cells of the maps that panels make by themselves: heads x positions and steps x positions. */
const mostCells = 2 ** 26;

/** Largest amount of bytes or milliseconds that is believed. */
const mostAmount = 2 ** 50;

/** What the numbers of a column count, by the ends of its name. */
const meanings: readonly [RegExp, Meaning][] = [
  [/^change\.step$/, 'nextStep'],
  [/^step\.index$|\.step$|^page\.lastRead$/, 'step'],
  [/\.position$|^event\.into$|^heavy\.topPosition$|^step\.seen$|^dense\.tokens$|^(node|page)\.(from|to)$/, 'position'],
  [/^(event|move|dense)\.layer$/, 'layer'],
  [/^dense\.queryHead$/, 'queryHead'],
  [/^(event|move)\.kvHead$/, 'kvHead'],
  [/^event\.kind$/, 'kind'],
  [/^event\.part$/, 'part'],
  [/^event\.(from|to)$|^entry\./, 'zone'],
  [/^token\.lane$|^hold\.lane$/, 'lane'],
  [/^page\.tier$|^move\.(from|to)$/, 'tier'],
  [/^fetch\.page$|^move\.page$/, 'page'],
  [/^node\.kind$/, 'nodeKind'],
  [/^link\.kind$/, 'linkKind'],
  [/^graph\.operation$/, 'graphOperation'],
  [/^link\.(source|target)$|^graph\.(node|other)$|^path\.node$/, 'node'],
  [/^bytes\.(?!budget)|^compare\.(held|claimed)$|^step\.ms$|^tier\.(held|zones|moved)$/, 'amount'],
];
type Meaning =
  | 'step'
  | 'nextStep'
  | 'position'
  | 'layer'
  | 'kvHead'
  | 'queryHead'
  | 'kind'
  | 'part'
  | 'zone'
  | 'lane'
  | 'tier'
  | 'page'
  | 'nodeKind'
  | 'linkKind'
  | 'graphOperation'
  | 'node'
  | 'amount';

/** Codes that stand for "not in the cache", "fed to all" and "no such page". */
const absentCode = 255;
const mayBeAbsent = new Set<Meaning>(['zone', 'lane', 'tier']);
/** Columns in which -1 says that there is none. */
const mayBeNone = new Set(['event.into', 'rank.position', 'page.lastRead', 'graph.other']);

/** Leaves out the entries of columns that this reader does not know; throws when a name comes twice. */
export function knownColumns(header: SnapshotHeader): SnapshotHeader {
  const seen = new Set<string>();
  const columns = header.columns.filter(({ name }) => {
    if (seen.has(name)) refuse('a column', name, 'a name that comes once');
    seen.add(name);
    return declared.has(name);
  });
  return { ...header, columns };
}

/** Throws when a size, a shape or a number of the columns cannot belong to the run that the header tells of. */
export function checkColumns({ info, step, texts }: SnapshotHeader, columns: Columns): void {
  const positions = Math.max(64, texts.length, info.promptLength + info.maxTokens + 1);
  const heads = info.model.layers * info.model.kvHeads;
  if (!info.comparison && heads * positions > mostCells)
    refuse('heads x tokens', heads * positions, `at most ${mostCells}`);
  if ((step + 1) * positions > mostCells) refuse('steps x tokens', (step + 1) * positions, `at most ${mostCells}`);
  const letters = fixedLetters(info, texts.length);
  for (const [name, column] of Object.entries(columns)) checkShape(name, column, letters);
  const rows = (name: string) => columns[name]?.shape[0] ?? 0;
  const most: Record<Meaning, number> = {
    step,
    // What was changed behind the last step holds from the one that would have followed.
    nextStep: step + 1,
    position: positions,
    layer: info.model.layers - 1,
    kvHead: info.model.kvHeads - 1,
    queryHead: info.model.queryHeads - 1,
    kind: eventKinds.length - 1,
    part: eventParts.length - 1,
    zone: info.zones.length - 1,
    lane: (info.comparison?.lanes.length ?? 0) - 1,
    tier: tiers.length - 1,
    page: rows('page.from') - 1,
    nodeKind: nodeKinds.length - 1,
    linkKind: linkKinds.length - 1,
    graphOperation: graphOperations.length - 1,
    node: rows('node.kind') - 1,
    amount: mostAmount,
  };
  for (const [name, column] of Object.entries(columns)) {
    const meaning = meanings.find(([names]) => names.test(name))?.[1];
    if (meaning) checkNumbers(name, column, mayBeNone.has(name) ? -1 : 0, most[meaning], mayBeAbsent.has(meaning));
    else checkFinite(name, column);
  }
}

/** Letters of shapes whose size the header tells. Others are counted by the first column that has them in its lane. */
function fixedLetters({ model, zones, comparison }: RunInfo, tokens: number): Map<string, number> {
  return new Map([
    ['L', model.layers],
    ['Hq', model.queryHeads],
    ['Hkv', model.kvHeads],
    ['HkvD', model.kvHeads * model.headSize],
    ['Z', zones.length],
    ['log n', tokens],
    ...(comparison ? [['P', comparison.lanes.length] as const] : []),
  ]);
}

function checkShape(name: string, { lane, shape, data }: Column, letters: Map<string, number>): void {
  const known = declared.get(name)!;
  if (lane !== known.lane) refuse(`the lane of ${name}`, lane, known.lane);
  const type = {
    f32: Float32Array,
    f64: Float64Array,
    u8: Uint8Array,
    u16: Uint16Array,
    u32: Uint32Array,
    i32: Int32Array,
  };
  if (data.constructor !== type[known.type as keyof typeof type])
    refuse(`the type of ${name}`, data.constructor.name, known.type);
  const named = known.shape.split(' ');
  if (named.length !== shape.length) refuse(`the shape of ${name}`, `[${shape}]`, `[${named}]`);
  // A log without a row was not kept, whatever was kept beside it.
  if (lane === 'log' && shape[0] === 0) return;
  named.forEach((letter, axis) => {
    // Axes of state columns that no header tells, such as T, may lag behind one another.
    const key = axis === 0 && lane === 'log' ? `log ${letter}` : letter;
    const wanted = letters.get(key) ?? (/^\d+$/.test(letter) ? Number(letter) : undefined);
    if (wanted === undefined) {
      if (key !== letter) letters.set(key, shape[axis]!);
    } else if (shape[axis] !== wanted) refuse(`axis ${letter} of ${name}`, shape[axis], String(wanted));
  });
}

function checkNumbers(name: string, { data }: Column, least: number, most: number, absent: boolean): void {
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if ((value >= least && value <= most) || (absent && value === absentCode)) continue;
    refuse(`${name}[${i}]`, value, `a number from ${least} to ${most}`);
  }
}

/** NaN says that there is nothing to say; an infinite number would stretch an axis without end. */
function checkFinite(name: string, { data }: Column): void {
  if (name === 'event.score') return;
  for (let i = 0; i < data.length; i++)
    if (Math.abs(data[i]!) > mostAmount) refuse(`${name}[${i}]`, data[i], 'a finite number');
}
