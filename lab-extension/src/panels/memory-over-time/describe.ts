/** Memory over time in words: what is held, of which budget or full cache, and what is claimed. */
import { fixed, mebibytes, percent, whole } from '../../draw/scale.ts';
import { logColumn, promptRead, type Run } from '../../store/run.ts';
import { translate } from '../../translate.ts';
import { cellWithH2o } from '../cells-to-insert.ts';
import type { DataColumns } from '../data.ts';
import { type Phrase, type Said, saysNoRun, saysNotRecorded, saysReading, tableOf } from '../words.ts';
import { type MemoryDrawing, type MemoryView, payloadAt, valueAt } from './encode.ts';
import type { MovesDrawing } from './moves.ts';
import type { PageMap } from './pages.ts';
import type { PartsDrawing } from './parts.ts';

/** What is shown beside or in place of the stack. */
export interface Shown {
  pages?: PageMap | undefined;
  parts?: PartsDrawing | undefined;
  moves?: MovesDrawing | undefined;
  /** The box of the icicle that is pointed at, by its path. */
  pointed?: readonly string[] | undefined;
}

export function describeMemory(
  run: Run | undefined,
  memory: MemoryDrawing | undefined,
  view: MemoryView,
  [from]: readonly [number, number] = [0, 0],
  { pages, parts, moves, pointed }: Shown = {},
): Said {
  if (!run) return saysNoRun('This panel stacks the bytes that live buffers really hold, step by step.', cellWithH2o);
  const read = promptRead(run);
  if (!memory && read !== undefined) return saysReading(run, read);
  if (!memory) return saysNotRecorded(run.info.method.name, 'This run sends no bytes. Generate with record: true.');
  const { row } = memory;
  const held = memory.held[row]!;
  const claimed = valueAt(memory.claimed, row);
  const facts = { bytesHeld: held, bytesClaimed: claimed, bytesFull: valueAt(memory.full, row) };
  if (view === 'parts' && parts) return { ...saysParts(parts, pointed), facts, data: () => partRows(parts) };
  if (view === 'moves' && moves) return { ...saysMoves(moves), facts };
  return {
    subtitle: view,
    caption: [
      ...(view === 'held'
        ? aboutHeld(memory, row)
        : view === 'tiers'
          ? aboutTiers(memory, row)
          : aboutClaimed(held, claimed)),
      ...(pages && view === 'held'
        ? [{ text: translate(' Pages still in use are %1 full.', percent(pages.fullness)) }]
        : []),
    ],
    table: () =>
      tableOf(
        [
          'step',
          'tokens seen',
          ...memory.bands.map((band) => `${band.name}, bytes`),
          'held',
          'claimed',
          'budget',
          'full',
        ],
        memory.seen
          .map((seen, r) => [
            String(stepOfRow(run, r)),
            String(seen),
            ...memory.bands.map((band) => whole(band.bytes[r]!)),
            whole(memory.held[r]!),
            ...[memory.claimed, memory.budget, memory.full].map((v) =>
              Number.isFinite(valueAt(v, r)) ? whole(valueAt(v, r)) : '–',
            ),
          ])
          .filter((_, r) => r <= row && stepOfRow(run, r) >= from)
          .reverse(),
      ),
    data: () => memoryRows(run, memory),
    facts,
  };
}

function saysParts(parts: PartsDrawing, pointed: readonly string[] | undefined): Said {
  const boxes = parts.levels.flat();
  const box = boxes.find(({ path }) => path.join() === pointed?.join());
  const largest = parts.levels[2]!.reduce((best, own) => (own.bytes > best.bytes ? own : best));
  const { path, bytes, share } = box ?? largest;
  const whose = path[0] === 'file' ? 'what lies in the file' : 'what memory holds';
  return {
    subtitle: 'tier, zone, part',
    caption: [
      { text: `${box ? '' : 'The largest part: '}${path.slice(1).concat(path[0]!).join(', ')}: ` },
      { text: `${mebibytes(bytes)} MiB`, strong: true },
      { text: `, ${percent(share)} of ${whose}.` },
    ],
    table: () =>
      tableOf(
        ['tier', 'zone', 'part', 'bytes', 'share'],
        parts.levels[2]!.map(({ path: names, bytes: own, share: of }) => [...names, whole(own), percent(of)]),
      ),
  };
}

function partRows({ levels }: PartsDrawing): DataColumns {
  const parts = levels[2]!;
  return {
    tier: parts.map(({ path }) => path[0]!),
    zone: parts.map(({ path }) => path[1]!),
    part: parts.map(({ path }) => path[2]!),
    bytes: parts.map(({ bytes }) => bytes),
    share: parts.map(({ share }) => share),
  };
}

function saysMoves({ steps, flows, estimatedMs }: MovesDrawing): Said {
  const bytes = flows.reduce((sum, flow) => sum + flow.bytes, 0);
  const when = `steps ${steps[0]} to ${steps[1]}`;
  const table = () =>
    tableOf(
      ['from', 'to', 'bytes', 'moves'],
      flows.map((flow) => [flow.from, flow.to, whole(flow.bytes), whole(flow.moves)]),
    );
  const data = () => ({
    from: flows.map(({ from }) => from),
    to: flows.map(({ to }) => to),
    bytes: flows.map((flow) => flow.bytes),
    moves: flows.map(({ moves }) => moves),
  });
  if (!flows.length)
    return { subtitle: when, caption: [{ text: translate('Nothing moved between tiers in %1.', when) }], table, data };
  return {
    subtitle: when,
    caption: [
      { text: translate('Moved ') },
      { text: `${mebibytes(bytes)} MiB`, strong: true },
      {
        text: Number.isFinite(estimatedMs)
          ? translate(' between tiers in %1, estimated %2 ms by the model of links.', when, fixed(estimatedMs, 2))
          : translate(' between tiers in %1.', when),
      },
    ],
    table,
    data,
  };
}

const stepOfRow = (run: Run, row: number): number => logColumn(run, 'step.index')?.data[row] ?? row;

/** One row for each step and band, for files. */
function memoryRows(run: Run, memory: MemoryDrawing): DataColumns {
  const { bands, seen } = memory;
  const each = <T>(of: (row: number, band: MemoryDrawing['bands'][number]) => T): T[] =>
    seen.flatMap((_, row) => bands.map((band) => of(row, band)));
  return {
    step: each((row) => stepOfRow(run, row)),
    tokens_seen: each((row) => seen[row]!),
    kind: each((_, band) => band.name),
    bytes_held: each((row, band) => band.bytes[row]!),
    bytes_held_total: each((row) => memory.held[row]!),
    bytes_claimed: each((row) => valueAt(memory.claimed, row)),
    bytes_full: each((row) => valueAt(memory.full, row)),
    budget: each((row) => valueAt(memory.budget, row)),
  };
}

function aboutHeld(memory: MemoryDrawing, row: number): Phrase[] {
  const held = memory.held[row]!;
  const payload = payloadAt(memory, row);
  const budget = valueAt(memory.budget, row);
  const claimed = valueAt(memory.claimed, row);
  const full = valueAt(memory.full, row);
  const phrases: Phrase[] = [{ text: translate('Held ') }, { text: `${mebibytes(held)} MiB`, strong: true }];
  if (Number.isFinite(budget))
    phrases.push({
      text: translate(
        ': payload %1 of a %2 MiB budget, slack and index %3',
        mebibytes(payload),
        mebibytes(budget),
        mebibytes(held - payload),
      ),
    });
  else if (Number.isFinite(full))
    phrases.push({ text: translate(' at %1 tokens, %2 of the full cache', memory.seen[row]!, percent(held / full)) });
  if (Number.isFinite(claimed)) phrases.push({ text: translate('; claimed %1 at 16 bits', mebibytes(claimed)) });
  phrases.push({ text: '.' });
  return phrases;
}

function aboutTiers({ bands, traffic }: MemoryDrawing, row: number): Phrase[] {
  const parts = bands.map((band) => `${band.name} ${mebibytes(band.bytes[row]!)}`);
  return [
    { text: `${parts.join(', ')} MiB` },
    ...(traffic
      ? [
          { text: translate('; moved ') },
          { text: `${mebibytes(traffic.bytes)} MiB`, strong: true as const },
          {
            text: Number.isFinite(traffic.estimatedMs)
              ? translate(' in this step, estimated %1 ms by the model of links.', fixed(traffic.estimatedMs, 2))
              : translate(' in this step.'),
          },
        ]
      : [{ text: '.' }]),
  ];
}

function aboutClaimed(held: number, claimed: number): Phrase[] {
  if (!Number.isFinite(claimed)) return [{ text: translate('This method claims no size of its own.') }];
  return [
    { text: translate('The formula of the paper claims ') },
    { text: `${mebibytes(claimed)} MiB`, strong: true },
    {
      text: translate(
        ' at 16 bits; live buffers hold %1, %2 times as much.',
        mebibytes(held),
        (held / claimed).toFixed(2),
      ),
    },
  ];
}
