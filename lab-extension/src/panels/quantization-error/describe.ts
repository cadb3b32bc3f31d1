/** Quantization error in words: which part loses more, and where it is worst. */
import { fixed } from '../../draw/scale.ts';
import { quoted } from '../../draw/words.ts';
import type { Run } from '../../store/run.ts';
import { translate } from '../../translate.ts';
import { cellWithKivi } from '../cells-to-insert.ts';
import { noTable, type Phrase, type Said, saysNoRun, tableOf } from '../words.ts';
import { type ErrorDrawing, errorRows, meanOf, tokenError } from './encode.ts';

export function describeErrors(
  run: Run | undefined,
  shownStep: number,
  drawing: ErrorDrawing | undefined,
  position: number | undefined,
): Said {
  if (!run)
    return saysNoRun('This panel shows what keys and values lose when they are stored in few bits.', cellWithKivi);
  if (!run.info.method.quantizes)
    return {
      subtitle: run.info.method.name,
      caption: [{ text: translate('%1 stores every row exactly: there is no error to draw.', run.info.method.name) }],
      table: noTable,
      missing: {
        title: 'Nothing is quantized',
        text: 'A method that stores rows in fewer bits fills this panel.',
        cell: cellWithKivi,
      },
    };
  if (!drawing)
    return {
      subtitle: run.info.method.name,
      caption: [{ text: translate('Step %1: no row has been quantized yet.', shownStep) }],
      table: noTable,
      missing: {
        title: 'Nothing quantized yet',
        text: `${run.info.method.name} keeps the newest rows exact; errors appear when the first rows leave that window.`,
      },
    };
  const late = drawing.step !== shownStep ? ` · step ${drawing.step}, the newest` : '';
  const snr = { keys: meanOf(drawing.snr.keys), values: meanOf(drawing.snr.values) };
  return {
    subtitle: `${run.info.method.name} · ${run.info.method.setting}${late}`,
    caption: aboutToken(run, drawing, position) ?? aboutAll(drawing, snr),
    legend: [{ kind: 'ramp', label: 'RMS error, log', low: fixed(drawing.low, 2), high: fixed(drawing.high, 2) }],
    table: () =>
      tableOf(
        [
          'layer',
          'SNR keys, dB',
          'SNR values, dB',
          'cosine keys',
          'cosine values',
          'largest keys',
          'largest values',
          'attention output moved most by a write',
        ],
        drawing.snr.keys.map((keys, layer) => [
          String(layer),
          fixed(keys, 1),
          fixed(drawing.snr.values[layer]!, 1),
          fixed(drawing.byLayer.cosine.keys[layer]!, 4),
          fixed(drawing.byLayer.cosine.values[layer]!, 4),
          fixed(drawing.byLayer.maxAbs.keys[layer]!, 2),
          fixed(drawing.byLayer.maxAbs.values[layer]!, 2),
          drawing.output ? `${fixed(100 * meanOf(outputRow(run, drawing, layer)), 2)} %` : '–',
        ]),
      ),
    data: () => errorRows(run, drawing),
    facts: { snrKeys: snr.keys, snrValues: snr.values },
  };
}

function outputRow(run: Run, drawing: ErrorDrawing, layer: number): Float32Array {
  const heads = run.info.model.queryHeads;
  return drawing.output!.subarray(layer * heads, (layer + 1) * heads);
}

function aboutAll(drawing: ErrorDrawing, snr: { keys: number; values: number }): Phrase[] {
  const more =
    snr.keys < snr.values
      ? (['Keys lose more than values: SNR ', snr.keys, snr.values] as const)
      : (['Values lose more than keys: SNR ', snr.values, snr.keys] as const);
  const { worst } = drawing;
  const output = drawing.output && meanOf(drawing.output);
  return [
    { text: translate(more[0]) },
    { text: translate('%1 dB', fixed(more[1], 1)), strong: true },
    { text: translate(' against ') },
    { text: translate('%1 dB', fixed(more[2], 1)), strong: true },
    {
      text: translate(
        worst.part === 'keys'
          ? '; worst key channel %1 of layer %2, RMS %3'
          : '; worst value channel %1 of layer %2, RMS %3',
        worst.channel,
        worst.layer,
        fixed(worst.error, 2),
      ),
    },
    {
      text:
        output !== undefined && Number.isFinite(output)
          ? translate('; one write moved the attention output by %1 %, mean of heads.', fixed(100 * output, 1))
          : '.',
    },
  ];
}

function aboutToken(run: Run, drawing: ErrorDrawing, position: number | undefined): Phrase[] | undefined {
  if (position === undefined || position >= drawing.tokens.keys.columns) return undefined;
  const [keys, values] = [drawing.tokens.keys, drawing.tokens.values].map((map) =>
    tokenError(map, drawing.layers, position),
  ) as [number, number];
  const name = quoted(position, run.texts[position]?.text);
  if (!Number.isFinite(keys) && !Number.isFinite(values))
    return [{ text: translate('Token %1 is stored exactly: no error.', name) }];
  return [
    { text: translate('Token %1: RMS error ', name) },
    { text: fixed(keys, 2), strong: true },
    { text: translate(' in keys and ') },
    { text: fixed(values, 2), strong: true },
    { text: translate(' in values, mean over %1 layers.', drawing.layers) },
  ];
}
