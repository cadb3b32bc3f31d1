/** Eviction timeline in words: what left at this step, or how long one token stayed. */

import { eventKinds } from 'kvlab/frame';
import { fixed, whole } from '../../draw/scale.ts';
import type { Theme } from '../../draw/theme.ts';
import { quoted } from '../../draw/words.ts';
import { changesOf, optionWords } from '../../store/changes.ts';
import { evictionsKnown, headCount, logColumn, promptRead, type Run, seenAtStep } from '../../store/run.ts';
import { entriesAt, gone, holdingAt } from '../../store/survival.ts';
import { translate } from '../../translate.ts';
import { cellWithH2o } from '../cells-to-insert.ts';
import type { DataColumns } from '../data.ts';
import {
  type LegendItem,
  type Phrase,
  readingWords,
  type Said,
  saysNoRun,
  saysNotRecorded,
  type Table,
  tableRows,
} from '../words.ts';
import {
  cellGone,
  cellHeld,
  type EvictionDrawing,
  evictionsByStep,
  type HeadChoice,
  type Lifetime,
  lifetimeOf,
  mostDropped,
} from './encode.ts';
import type { Why } from './why.ts';

export function describeEviction(
  run: Run | undefined,
  [from, step]: readonly [number, number],
  drawing: EvictionDrawing | undefined,
  head: HeadChoice | undefined,
  positions: readonly number[],
  theme: Theme,
): Said {
  if (!run || !drawing)
    return saysNoRun(
      'This panel draws which tokens each head keeps. A generate call with a method that evicts fills it.',
      cellWithH2o,
    );
  if (!evictionsKnown(run))
    return saysNotRecorded(
      run.info.method.name,
      'Evictions were left out of this saved run to keep the notebook small.',
    );
  const read = promptRead(run);
  const lifetime = positions.length === 1 ? lifetimeOf(run, positions[0]!, step) : undefined;
  const heads = headCount(run.info);
  return {
    subtitle: head
      ? `layer ${head.layer} kv head ${head.kvHead}${run.info.method.quantizes ? ', keys' : ''}`
      : `all ${heads} heads`,
    caption: lifetime
      ? aboutToken(run, lifetime, step)
      : positions.length > 1
        ? aboutSeveral(run, positions, step)
        : read !== undefined
          ? readingWords(run, read)
          : head
            ? aboutHead(drawing, head, run, step)
            : from > 0
              ? aboutRange(run, from, step)
              : [...aboutStep(run, step), ...aboutChanges(run, step)],
    legend: head
      ? zoneLegend(drawing, theme)
      : [
          { kind: 'ramp', label: 'heads', low: '1', high: String(heads) },
          { kind: 'hatch', label: 'none' },
        ],
    table: () => eventTable(run, from, step),
    data: () => eventRows(run, from, step),
    facts: { entries: entriesAt(run.survival, step), heads },
  };
}

function zoneLegend(drawing: EvictionDrawing, theme: Theme): LegendItem[] {
  const present = drawing.zones.filter((_, zone) => drawing.cells.includes(cellHeld + zone));
  const swatches = present
    .slice(0, 3)
    .map(({ name, tone }): LegendItem => ({ kind: 'swatch', label: name, colour: theme.tones[tone] }));
  return drawing.cells.includes(cellGone) ? [...swatches, { kind: 'hatch', label: 'evicted' }] : swatches;
}

function aboutStep(run: Run, step: number): Phrase[] {
  const heads = headCount(run.info);
  const dropped = mostDropped(run, step);
  const entries = entriesAt(run.survival, step) / heads;
  const each = Number.isInteger(entries)
    ? translate('each head keeps %1', entries)
    : translate('heads keep %1 on average', fixed(entries, 1));
  const tokens = seenAtStep(run, step);
  if (!dropped)
    return [
      { text: translate('Step %1: %2 evicted nothing; of %3 tokens %4.', step, run.info.method.name, tokens, each) },
    ];
  return [
    {
      text: translate(
        'Step %1: %2 evicted token %3 in ',
        step,
        run.info.method.name,
        quoted(dropped.position, run.texts[dropped.position]?.text),
      ),
    },
    { text: translate('%1 of %2', dropped.heads, heads), strong: true },
    { text: translate(' heads; of %1 tokens %2.', tokens, each) },
  ];
}

/** The newest change of the method's amounts that holds at a step, or why it was refused. */
function aboutChanges(run: Run, step: number): Phrase[] {
  const change = changesOf(run).findLast((one) => one.step <= step + 1);
  if (!change) return [];
  const options = optionWords(change.options);
  return [
    {
      text:
        change.refused === undefined
          ? translate(' Changed from step %1 on: %2.', change.step, options)
          : translate(' A change at step %1 was refused: %2.', change.step, options),
    },
  ];
}

function aboutRange(run: Run, from: number, to: number): Phrase[] {
  const counts = evictionsByStep(run).slice(from, to + 1);
  const left = counts.reduce((sum, count) => sum + count, 0);
  return [
    { text: translate('Steps %1 to %2: %3 evicted ', from, to, run.info.method.name) },
    { text: whole(left), strong: true },
    {
      text: translate(
        ' entries in %1 heads, %2 steps had some.',
        headCount(run.info),
        counts.filter((count) => count > 0).length,
      ),
    },
  ];
}

function aboutHead(drawing: EvictionDrawing, head: HeadChoice, run: Run, step: number): Phrase[] {
  const parts = drawing.zones.flatMap(({ name }, zone) =>
    drawing.held[zone] ? [`${drawing.held[zone]} ${name}`] : [],
  );
  return [
    { text: translate('Layer %1 kv head %2 at step %3 of %4: ', head.layer, head.kvHead, step, run.info.method.name) },
    { text: parts.join(', ') || translate('nothing held'), strong: true },
    { text: '.' },
  ];
}

function aboutToken(run: Run, lifetime: Lifetime, step: number): Phrase[] {
  const heads = headCount(run.info);
  const { position, born, holding, drops } = lifetime;
  const most = drops.reduce((a, b) => (b.heads > a.heads ? b : a), { step: 0, heads: 0 });
  return [
    {
      text: translate(
        born === 0 ? 'Token %1: written at the prompt; ' : 'Token %1: written at step %2; ',
        quoted(position, run.texts[position]?.text),
        born,
      ),
    },
    { text: translate('%1 of %2', holding.at(-1) ?? 0, heads), strong: true },
    { text: translate(' heads still hold it at step %1.', step) },
    ...(most.heads
      ? [
          {
            text: translate(
              most.step === 0 ? ' Dropped by %1 heads right after the prompt.' : ' Dropped by %1 heads at step %2.',
              most.heads,
              most.step,
            ),
          },
        ]
      : []),
  ];
}

function aboutSeveral(run: Run, positions: readonly number[], step: number): Phrase[] {
  const heads = headCount(run.info);
  const held = positions.map((position) => holdingAt(run.survival, position, step));
  const entries = held.reduce((sum, own) => sum + own, 0);
  return [
    { text: translate('%1 tokens at step %2: heads still hold ', positions.length, step) },
    { text: translate('%1 of %2', whole(entries), whole(positions.length * heads)), strong: true },
    {
      text: translate(
        ' of their entries; %1 are in every head, %2 in none.',
        held.filter((own) => own === heads).length,
        held.filter((own) => own === 0).length,
      ),
    },
  ];
}

/** Events of the steps that are shown, last first. */
function eventTable(run: Run, from: number, to: number): Table {
  const column = (name: string) => run.log.get(`event.${name}`)?.data;
  const names = ['step', 'layer', 'kvHead', 'position', 'kind', 'from', 'to', 'score'];
  const [at, layer, kvHead, position, kind, before, after, score] = names.map(column);
  const [first, end] = eventsBetween(run, from, to);
  const rows: string[][] = [];
  // A change stands before the events of its step, so below them: the newest come first.
  const changes = changesOf(run).filter((change) => change.step >= from && change.step <= to + 1);
  const count = changes.length;
  const takeChanges = (after: number) => {
    while (changes.length && changes.at(-1)!.step > after) {
      const { step, options, refused } = changes.pop()!;
      rows.push([
        String(step),
        '',
        '',
        refused === undefined ? 'change' : 'refused',
        refused ?? optionWords(options),
        '',
      ]);
    }
  };
  for (let row = end - 1; row >= first && rows.length < tableRows; row--) {
    takeChanges(at![row]!);
    rows.push([
      String(at![row]),
      `${layer![row]}.${kvHead![row]}`,
      quoted(position![row]!, run.texts[position![row]!]?.text),
      eventKinds[kind![row]!] ?? '',
      `${zoneName(run, before![row]!)} → ${zoneName(run, after![row]!)}`,
      fixed(score?.[row] ?? Number.NaN, 3),
    ]);
  }
  takeChanges(-1);
  return { head: ['step', 'layer.head', 'token', 'event', 'zones', 'score'], rows, total: end - first + count };
}

const zoneName = (run: Run, code: number): string =>
  code === gone ? 'evicted' : (run.info.zones[code] ?? String(code));

/** Rows of the events from one step to another; events are written in the order of steps. */
function eventsBetween(run: Run, from: number, to: number): [first: number, end: number] {
  const at = run.log.get('event.step');
  if (!at) return [0, 0];
  let first = 0;
  while (first < at.rows && at.data[first]! < from) first++;
  let end = first;
  while (end < at.rows && at.data[end]! <= to) end++;
  return [first, end];
}

/** All events of the steps that are shown, for files. */
function eventRows(run: Run, from: number, to: number): DataColumns {
  const [first, end] = eventsBetween(run, from, to);
  const part = (
    name: 'step' | 'layer' | 'kvHead' | 'position' | 'kind' | 'from' | 'to' | 'into' | 'weight' | 'score' | 'rank',
  ) => Array.from(run.log.get(`event.${name}`)?.data.subarray(first, end) ?? []);
  const rule = run.info.method.slots.find(({ slot }) => slot === 'select')?.text ?? '';
  const position = part('position');
  return {
    step: part('step'),
    layer: part('layer'),
    kv_head: part('kvHead'),
    position,
    token: position.map((p) => run.texts[p]?.text ?? ''),
    event: part('kind').map((kind) => eventKinds[kind] ?? ''),
    from: part('from').map((zone) => zoneName(run, zone)),
    to: part('to').map((zone) => zoneName(run, zone)),
    target: part('into'),
    ...(run.log.has('event.weight') ? { weight: part('weight') } : {}),
    score: part('score'),
    rank: part('rank'),
    rule: position.map(() => rule),
  };
}

/** Lines of the card beside a token: what it is, who holds it, when it was dropped, by which rule. */
export function lifetimeLines(run: Run, lifetime: Lifetime): string[] {
  const { position, born, holding, drops } = lifetime;
  const score = logColumn(run, 'event.score') && run.info.method.slots.find((s) => s.slot === 'score');
  const shown = drops.slice(0, 3).map((d) => `${d.heads} at ${d.step === 0 ? 'the prompt' : `step ${d.step}`}`);
  const rest = drops.slice(3).reduce((sum, d) => sum + d.heads, 0);
  return [
    `${quoted(position, run.texts[position]?.text)} ${born === 0 ? 'prompt' : `step ${born}`}`,
    `held by ${holding.at(-1) ?? 0} of ${headCount(run.info)} heads`,
    drops.length ? `dropped: ${shown.join(', ')}${rest ? `, ${rest} later` : ''}` : 'never dropped',
    `rule: ${score && !score.neutral ? `lowest ${score.text}` : (run.info.method.slots.find((s) => s.slot === 'select')?.text ?? '')}`,
  ];
}

/** Where a token went that was merged, and what became of that. */
function mergedWords(run: Run, { position, weight, leftAt }: NonNullable<NonNullable<Why['event']>['into']>): string {
  const how = Number.isFinite(weight) ? `, weight ${fixed(weight, 2)}` : '';
  const since = leftAt === undefined ? 'still held' : `which left at step ${leftAt}`;
  return `merged into ${quoted(position, run.texts[position]?.text)}${how}; ${since}`;
}

/** What is known of one head's decision about a token, line by line. */
export function whyLines(run: Run, why: Why): string[] {
  const { event, layer, kvHead, zone, received } = why;
  const where = `layer ${layer} kv head ${kvHead}`;
  if (!event) return [`${where}: held, fresh; no rule has moved it yet`];
  const ranked =
    event.rank < 0
      ? 'the rule reads positions only'
      : `score ${fixed(event.score, 3)}, rank ${event.rank + 1} of ${event.among}`;
  return [
    zone === undefined
      ? `${where}: left ${event.from} ${event.step === 0 ? 'right after the prompt' : `at step ${event.step}`}`
      : `${where}: held, ${zone} since ${event.step === 0 ? 'the prompt' : `step ${event.step}`}`,
    ranked,
    `age ${event.age} tokens${Number.isFinite(received) ? `; received ${fixed(received, 2)} in all` : ''}`,
    ...(event.into === undefined ? [] : [mergedWords(run, event.into)]),
  ];
}
