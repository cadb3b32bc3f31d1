/** Eviction timeline in words: what left at this step, or how long one token stayed. */

import { eventKinds } from 'kvlab/frame';
import { fixed } from '../../draw/scale.ts';
import type { Theme } from '../../draw/theme.ts';
import { quoted } from '../../draw/words.ts';
import { evictionsKnown, headCount, logColumn, promptRead, type Run } from '../../store/run.ts';
import { entriesAt, gone } from '../../store/survival.ts';
import { cellWithH2o } from '../cells-to-insert.ts';
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
  type HeadChoice,
  type Lifetime,
  lifetimeOf,
  mostDropped,
} from './encode.ts';

export function describeEviction(
  run: Run | undefined,
  step: number,
  drawing: EvictionDrawing | undefined,
  head: HeadChoice | undefined,
  position: number | undefined,
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
  const lifetime = position === undefined ? undefined : lifetimeOf(run, position, step);
  const heads = headCount(run.info);
  return {
    subtitle: head
      ? `layer ${head.layer} kv head ${head.kvHead}${run.info.method.quantizes ? ', keys' : ''}`
      : `all ${heads} heads`,
    caption: lifetime
      ? aboutToken(run, lifetime, step)
      : read !== undefined
        ? readingWords(run, read)
        : head
          ? aboutHead(drawing, head, run, step)
          : aboutStep(run, step),
    legend: head
      ? zoneLegend(drawing, theme)
      : [
          { kind: 'ramp', label: 'heads', low: '1', high: String(heads) },
          { kind: 'hatch', label: 'none' },
        ],
    table: () => eventTable(run, step),
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
  const each = Number.isInteger(entries) ? `each head keeps ${entries}` : `heads keep ${fixed(entries, 1)} on average`;
  const tokens = run.log.get('step.seen')?.data[step] ?? run.texts.length;
  if (!dropped)
    return [{ text: `Step ${step}: ${run.info.method.name} evicted nothing; of ${tokens} tokens ${each}.` }];
  return [
    {
      text: `Step ${step}: ${run.info.method.name} evicted token ${quoted(dropped.position, run.texts[dropped.position]?.text)} in `,
    },
    { text: `${dropped.heads} of ${heads}`, strong: true },
    { text: ` heads; of ${tokens} tokens ${each}.` },
  ];
}

function aboutHead(drawing: EvictionDrawing, head: HeadChoice, run: Run, step: number): Phrase[] {
  const parts = drawing.zones.flatMap(({ name }, zone) =>
    drawing.held[zone] ? [`${drawing.held[zone]} ${name}`] : [],
  );
  return [
    { text: `Layer ${head.layer} kv head ${head.kvHead} at step ${step} of ${run.info.method.name}: ` },
    { text: parts.join(', ') || 'nothing held', strong: true },
    { text: '.' },
  ];
}

function aboutToken(run: Run, lifetime: Lifetime, step: number): Phrase[] {
  const heads = headCount(run.info);
  const { position, born, holding, drops } = lifetime;
  const most = drops.reduce((a, b) => (b.heads > a.heads ? b : a), { step: 0, heads: 0 });
  return [
    {
      text: `Token ${quoted(position, run.texts[position]?.text)}: written at ${born === 0 ? 'the prompt' : `step ${born}`}; `,
    },
    { text: `${holding.at(-1) ?? 0} of ${heads}`, strong: true },
    { text: ` heads still hold it at step ${step}.` },
    ...(most.heads
      ? [
          {
            text: ` Dropped by ${most.heads} heads ${most.step === 0 ? 'right after the prompt' : `at step ${most.step}`}.`,
          },
        ]
      : []),
  ];
}

/** The newest events, last first. */
function eventTable(run: Run, step: number): Table {
  const column = (name: string) => run.log.get(`event.${name}`)?.data;
  const [at, layer, kvHead, position, kind, from, to, score] = [
    'step',
    'layer',
    'kvHead',
    'position',
    'kind',
    'from',
    'to',
    'score',
  ].map(column);
  const total = run.log.get('event.step')?.rows ?? 0;
  const rows: string[][] = [];
  const zone = (code: number) => (code === gone ? 'evicted' : (run.info.zones[code] ?? String(code)));
  for (let row = total - 1; row >= 0 && rows.length < tableRows; row--) {
    if (at![row]! > step) continue;
    rows.push([
      String(at![row]),
      `${layer![row]}.${kvHead![row]}`,
      quoted(position![row]!, run.texts[position![row]!]?.text),
      eventKinds[kind![row]!] ?? '',
      `${zone(from![row]!)} → ${zone(to![row]!)}`,
      fixed(score?.[row] ?? Number.NaN, 3),
    ]);
  }
  return { head: ['step', 'layer.head', 'token', 'event', 'zones', 'score'], rows, total };
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
