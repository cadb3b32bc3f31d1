/** Compare in words: which method stays nearest, what a peak of KL followed, where free texts part. */
import { fixed, mebibytes, percent } from '../../draw/scale.ts';
import { quoted } from '../../draw/words.ts';
import type { Run } from '../../store/run.ts';
import { translate } from '../../translate.ts';
import { type Phrase, type Said, tableOf } from '../words.ts';
import {
  type CompareDrawing,
  type CompareLane,
  laneSurvival,
  lostBefore,
  referenceTexts,
  stepsBefore,
  textAt,
} from './encode.ts';

export type CompareView = 'forced' | 'free' | 'maps';

const cell = {
  label: 'Insert a cell that compares three methods',
  source: `import { lab, methods } from 'kvlab';

const model = await lab.load();
const prompt = [{ role: 'user', content: 'Tell me a story about a lighthouse, a storm and a blue notebook.' }];
const comparison = await lab.compare(model, prompt, {
  methods: [methods.h2o({ keep: 0.2 }), methods.streamingLLM({ keep: 0.2 }), methods.kivi({ bits: 2, residual: 32 })],
  mode: 'both',
  maxTokens: 60,
});
comparison`,
};

export interface ComparePoint {
  lane: number;
  row: number;
}

export function describeCompare(
  drawing: CompareDrawing | undefined,
  view: CompareView,
  point: ComparePoint | undefined,
): Said {
  if (!drawing)
    return {
      subtitle: 'no comparison',
      caption: [{ text: translate('Waiting for lab.compare.') }],
      table: () => ({ head: [], rows: [], total: 0 }),
      missing: {
        title: 'No comparison yet',
        text: 'This panel shows how far methods are from the full cache on the same tokens, and what that costs in bytes.',
        cell,
      },
    };
  const { comparison, info, lanes, judged } = drawing;
  const methods = lanes.length - 1;
  const words = `${methods} ${methods === 1 ? 'method' : 'methods'} · same prompt, seed ${comparison.info.seed}, ${info.sampler}`;
  return {
    subtitle: [words, comparison.info.recorded ? 'recorded' : '', stateOf(comparison)].filter(Boolean).join(' · '),
    caption: view === 'free' ? freeCaption(drawing) : point ? peakCaption(drawing, point) : nearestCaption(drawing),
    table: () => (view === 'free' ? freeTable(drawing) : forcedTable(drawing)),
    facts: { judged, lanes: lanes.length },
    ...missingOf(drawing, view),
  };
}

function missingOf({ judged, lanes, comparison }: CompareDrawing, view: CompareView): Pick<Said, 'missing'> {
  if (comparison.state === 'running') return {};
  if (view === 'free' && !lanes.some(({ free }) => free))
    return {
      missing: {
        title: 'No free texts',
        text: "This comparison is forced: all were fed the same tokens. With mode: 'both' each method also writes on by itself.",
      },
    };
  if (view === 'forced' && judged === 0)
    return {
      missing: {
        title: 'No forced figures',
        text: "This comparison is free: each method wrote by itself, so there is no KL and no perplexity. Use mode: 'both'.",
      },
    };
  return {};
}

function stateOf({ state, message }: Run): string {
  if (state === 'running') return message || 'running';
  return state === 'finished' ? '' : [state, message].filter(Boolean).join(': ');
}

function nearestCaption({ lanes, judged, comparison }: CompareDrawing): Phrase[] {
  if (!judged)
    return [{ text: translate('Reading the prompt: %1.', comparison.message || translate('nothing read yet')) }];
  const [nearest] = lanes.slice(1).sort((a, b) => a.meanKl - b.meanKl);
  if (!nearest) return [{ text: translate('Nothing to compare.') }];
  return [
    { text: translate('%1 stays nearest: mean KL ', nearest.name) },
    { text: fixed(nearest.meanKl, 3), strong: true },
    {
      text: translate(
        ', same top token %1, %2 MiB, %3 of the full cache.',
        percent(nearest.agreement),
        mebibytes(nearest.bytesHeld),
        percent(nearest.ofFull),
      ),
    },
  ];
}

function peakCaption({ lanes, comparison }: CompareDrawing, { lane, row }: ComparePoint): Phrase[] {
  const { name, kl } = lanes[lane]!;
  const survival = laneSurvival(comparison, lane);
  const lost = lostBefore(survival, row, comparison.info.promptLength);
  const word = quoted(row, referenceTexts(comparison)[row]);
  const start: Phrase[] = [
    { text: translate('%1 before token %2 of the answer: KL ', name, word) },
    { text: fixed(kl[row] ?? Number.NaN, 3), strong: true },
  ];
  if (!lost.length)
    return [...start, { text: translate('; nothing left its cache in the %1 steps before.', stepsBefore) }];
  const first = lost
    .slice(0, 4)
    .map(({ position, heads }) => `${quoted(position, textAt(comparison, position))} (${heads})`);
  return [
    ...start,
    {
      text:
        row < stepsBefore
          ? translate('; so far, with the cut of the prompt, ')
          : translate('; in the %1 steps before ', stepsBefore),
    },
    { text: String(lost.length), strong: true },
    { text: translate(' tokens left some of %1 heads: ', survival.heads) },
    { text: `${first.join(', ')}${lost.length > 4 ? ' …' : '.'}` },
  ];
}

function freeCaption({ lanes }: CompareDrawing): Phrase[] {
  const writing = lanes.slice(1).filter((lane) => lane.free);
  if (!writing.length) return [{ text: translate('No method has written by itself.') }];
  const [longest] = writing.sort(
    (a, b) => (b.free!.divergesAt ?? b.free!.pieces.length) - (a.free!.divergesAt ?? a.free!.pieces.length),
  );
  const at = longest!.free!.divergesAt;
  return at === undefined
    ? [
        { text: translate('%1 writes what the full cache writes: ', longest!.name) },
        { text: translate('%1 tokens', longest!.free!.pieces.length), strong: true },
        { text: '.' },
      ]
    : [
        { text: translate('%1 follows the full cache longest and leaves it at token ', longest!.name) },
        { text: String(at + 1), strong: true },
        { text: translate(': from there on each text is another one, so none has a perplexity.') },
      ];
}

/** Figures of a lane in words, in the order of `forcedHeads`. */
export function laneFigures(lane: CompareLane, full: boolean): string[] {
  return [
    full ? '0' : fixed(lane.meanKl, 3),
    percent(lane.agreement),
    fixed(lane.perplexity, 2),
    mebibytes(lane.bytesHeld),
    percent(lane.ofFull),
  ];
}
export const forcedHeads = ['mean KL', 'same top token', 'perplexity, forced', 'held MiB', 'of full'];

function forcedTable({ lanes }: CompareDrawing) {
  return tableOf(
    ['method', ...forcedHeads],
    lanes.map((lane) => [lane.name, ...laneFigures(lane, lane.lane === 0)]),
  );
}

function freeTable({ lanes }: CompareDrawing) {
  return tableOf(
    ['method', 'leaves the full cache at token', 'text'],
    lanes
      .filter(({ free }) => free)
      .map(({ name, free, lane }) => [
        name,
        lane === 0 ? '–' : free!.divergesAt === undefined ? 'never' : String(free!.divergesAt + 1),
        free!.pieces.join(''),
      ]),
  );
}
