/** Attention sinks in words: which share of heads, and which head most. */
import { fixed, percent } from '../../draw/scale.ts';
import { quoted } from '../../draw/words.ts';
import { promptRead, type Run } from '../../store/run.ts';
import { cellWithH2o } from '../cells-to-insert.ts';
import { type Phrase, type Said, saysNoRun, saysNotRecorded, saysReading, tableOf } from '../words.ts';
import { type SinkDrawing, sinkThreshold } from './encode.ts';

export function describeSinks(
  run: Run | undefined,
  step: number,
  drawing: SinkDrawing | undefined,
  head: { layer: number; queryHead: number } | undefined,
  token: { position: number; received: number } | undefined,
): Said {
  if (!run)
    return saysNoRun(
      'This panel shades each head by the share of its attention that goes to the first tokens.',
      cellWithH2o,
    );
  const read = promptRead(run);
  if (!drawing && read !== undefined) return saysReading(run, read);
  if (!drawing)
    return saysNotRecorded(run.info.method.name, 'This run sends no attention. Generate with record: true.');
  const { layers, queryHeads, mass, strongest, sinkCount } = drawing;
  const phrases: Phrase[] = [
    { text: `Step ${step}: ` },
    { text: percent(drawing.sinkShare), strong: true },
    {
      text: ` of heads are sinks (ε ${sinkThreshold}); strongest layer ${strongest.layer} head ${strongest.queryHead} with ${fixed(strongest.mass, 2)} on tokens 0–${sinkCount - 1}.`,
    },
  ];
  if (head) {
    const own = mass[head.layer * queryHeads + head.queryHead]!;
    phrases.push({ text: ` Layer ${head.layer} head ${head.queryHead}: ${fixed(own, 2)}` });
    phrases.push({
      text: token
        ? `; token ${quoted(token.position, run.texts[token.position]?.text)} received ${fixed(token.received, 4)}.`
        : '.',
    });
  }
  return {
    subtitle: `first ${sinkCount} tokens`,
    caption: phrases,
    table: () =>
      tableOf(
        ['layer', ...Array.from({ length: queryHeads }, (_, h) => `head ${h}`)],
        Array.from({ length: layers }, (_, l) => [
          String(l),
          ...Array.from({ length: queryHeads }, (_, h) => fixed(mass[l * queryHeads + h]!, 3)),
        ]),
      ),
    facts: {
      sinkShare: drawing.sinkShare,
      strongestMass: strongest.mass,
      strongestHead: `${strongest.layer}.${strongest.queryHead}`,
    },
  };
}
