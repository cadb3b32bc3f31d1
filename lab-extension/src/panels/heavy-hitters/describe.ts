/** Heavy hitters in words: how much few tokens hold, and which is first. */
import { fixed, percent, whole } from '../../draw/scale.ts';
import { quoted } from '../../draw/words.ts';
import { headCount, promptRead, type Run } from '../../store/run.ts';
import { translate } from '../../translate.ts';
import { cellWithH2o } from '../cells-to-insert.ts';
import { type Phrase, type Said, saysNoRun, saysNotRecorded, saysReading, tableOf } from '../words.ts';
import { type Concentration, type HeavyDrawing, heavyRows, ruleWords, shareAt, topTokens } from './encode.ts';

export function describeHeavy(
  run: Run | undefined,
  shownStep: number,
  drawing: HeavyDrawing | undefined,
  head: { layer: number; kvHead: number } | undefined,
  curve: Concentration | undefined,
  position: number | undefined,
  wide: boolean,
): Said {
  if (!run) return saysNoRun('This panel shows the few tokens that collect most attention, head by head.', cellWithH2o);
  const read = promptRead(run);
  if (!drawing && read !== undefined) return saysReading(run, read);
  if (!drawing || !head || !curve)
    return saysNotRecorded(run.info.method.name, 'This run sends no attention scores. Generate with record: true.');
  const row = head.layer * run.info.model.kvHeads + head.kvHead;
  const heads = headCount(run.info);
  const late = drawing.step !== shownStep ? ` · step ${drawing.step}, the newest` : '';
  return {
    subtitle: `${wide ? ruleWords[drawing.rule] : ''}${late}`.replace(/^ · /, ''),
    caption:
      position !== undefined && position < drawing.tokens
        ? aboutToken(run, head, curve, position)
        : aboutHead(run, head, curve),
    legend: wide
      ? [
          {
            kind: 'ramp',
            label: 'score, log',
            low: `≤${drawing.least}`,
            high: drawing.rule === 'sum' ? whole(drawing.most) : fixed(drawing.most, 2),
          },
        ]
      : [],
    table: () =>
      tableOf(
        ['rank', 'token', 'score', 'held by'],
        topTokens(run, drawing, row, curve.order, drawing.tokens, shownStep).map((t, rank) => [
          String(rank + 1),
          quoted(t.position, run.texts[t.position]?.text),
          fixed(t.score, drawing.rule === 'sum' ? 2 : 4),
          `${t.holding} of ${heads}`,
        ]),
      ),
    data: () => heavyRows(run, drawing),
    facts: { topShare: shareAt(curve, 0.05) },
  };
}

function aboutHead(run: Run, head: { layer: number; kvHead: number }, curve: Concentration): Phrase[] {
  return [
    { text: translate('5 % of tokens hold ') },
    { text: percent(shareAt(curve, 0.05)), strong: true },
    {
      text: translate(
        ' of attention in layer %1 kv head %2; top token %3.',
        head.layer,
        head.kvHead,
        quoted(curve.order[0]!, run.texts[curve.order[0]!]?.text),
      ),
    },
  ];
}

function aboutToken(
  run: Run,
  head: { layer: number; kvHead: number },
  curve: Concentration,
  position: number,
): Phrase[] {
  return [
    { text: translate('Token %1 is number ', quoted(position, run.texts[position]?.text)) },
    { text: String(curve.order.indexOf(position) + 1), strong: true },
    { text: translate(' of %1 by score in layer %2 kv head %3.', curve.order.length, head.layer, head.kvHead) },
  ];
}
