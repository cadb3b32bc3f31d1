/** Attention sinks in words: which share of heads, and which head most. */
import type { SelectedHead } from 'kvlab/frame';
import { fixed, percent } from '../../draw/scale.ts';
import { quoted } from '../../draw/words.ts';
import { promptRead, type Run } from '../../store/run.ts';
import { translate } from '../../translate.ts';
import { cellWithH2o } from '../cells-to-insert.ts';
import { type Phrase, type Said, saysNoRun, saysNotRecorded, saysReading, tableOf } from '../words.ts';
import { type SinkDrawing, sinkRows } from './encode.ts';

/** How much all heads that are selected give to the first tokens. */
function severalWords({ mass, queryHeads }: SinkDrawing, heads: readonly SelectedHead[]): string {
  const own = heads.flatMap(({ layer, queryHead }) =>
    queryHead === undefined ? [] : [mass[layer * queryHeads + queryHead]!],
  );
  const names = heads.map(({ layer, queryHead, kvHead }) => `${layer}.${queryHead ?? kvHead}`);
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
  return translate(' %1 heads (%2): %3 on average.', heads.length, names.slice(0, 6).join(', '), fixed(mean, 2));
}

export function describeSinks(
  run: Run | undefined,
  [from, step]: readonly [number, number],
  drawing: SinkDrawing | undefined,
  heads: readonly SelectedHead[],
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
  const { layers, queryHeads, mass, values, strongest, sinkCount, threshold, others, measure } = drawing;
  const when = from === step ? translate('Step %1: ', step) : translate('Steps %1 to %2, mean: ', from, step);
  const phrases: Phrase[] = [
    { text: when },
    { text: percent(drawing.sinkShare), strong: true },
    {
      text: translate(
        ' of heads are sinks (ε %1); strongest layer %2 head %3 with %4 on tokens 0–%5.',
        threshold,
        strongest.layer,
        strongest.queryHead,
        fixed(strongest.mass, 2),
        sinkCount - 1,
      ),
    },
  ];
  if (others.length && !heads.length) {
    const [first] = others;
    phrases.push({
      text: translate(
        others.length > 1 ? ' Token %1 is a sink of %2 heads too, %3 more.' : ' Token %1 is a sink of %2 heads too.',
        quoted(first!.position, run.texts[first!.position]?.text),
        first!.heads,
        others.length - 1,
      ),
    });
  }
  const [head, ...more] = heads;
  if (head && more.length) phrases.push({ text: severalWords(drawing, heads) });
  else if (head?.queryHead !== undefined) {
    const own = mass[head.layer * queryHeads + head.queryHead]!;
    phrases.push({ text: translate(' Layer %1 head %2: %3', head.layer, head.queryHead, fixed(own, 2)) });
    phrases.push({
      text: token
        ? translate(
            '; token %1 received %2.',
            quoted(token.position, run.texts[token.position]?.text),
            fixed(token.received, 4),
          )
        : '.',
    });
  }
  return {
    subtitle: `${{ mass: `first ${sinkCount} tokens`, rate: `most received by one of the first ${sinkCount}`, entropy: `entropy, 0 to ${fixed(drawing.most, 1)} nats` }[measure]}${drawing.sorted ? ', sorted' : ''}`,
    caption: phrases,
    table: () =>
      tableOf(
        ['layer', ...Array.from({ length: queryHeads }, (_, h) => `head ${h}`)],
        Array.from({ length: layers }, (_, l) => [
          String(l),
          ...Array.from({ length: queryHeads }, (_, h) => fixed(values[l * queryHeads + h]!, 3)),
        ]),
      ),
    data: () => sinkRows(run, [from, step]),
    facts: {
      sinkShare: drawing.sinkShare,
      strongestMass: strongest.mass,
      strongestHead: `${strongest.layer}.${strongest.queryHead}`,
    },
  };
}
