/** Channel scale: each channel is divided by the root of its largest magnitude, so that one scale for each token will do.
 *
 *  He et al. 2024, "ZipCache", arXiv:2405.14256, section 4.1: c = sqrt(max|x|) over tokens. An outlying channel is damped, not
 *  removed. Learnt once from the first rows; a channel of zeros keeps 1. */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { eachHead, eachNumber, rowsOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { channelPeaks, overEntries } from './balance.ts';
import type { Transform } from './encoding.ts';

function learnt(g: GraphBuilder, x: Value): Value {
  const peaks = channelPeaks(g, x);
  return g.sqrt(g.where(g.equal(peaks, 0), 1, peaks)); // [H, D]
}

export const channelScaleOperator = operator({
  name: 'channel-scale',
  kind: 'encode',
  scope: 'head',
  title: 'channels by the root of their maximum',
  paper: 'arXiv:2405.14256',
  departures: ['scales are learnt from the first rows and kept'],
  params: {},
  inputs: { x: f32(['Hkv', 'T', 'D']) },
  outputs: { scaled: f32(['Hkv', 'T', 'D']), scale: f32(['Hkv', 'D']) },
  cost: perElement(3, 'Hkv', 'T', 'D'),

  graph(g, { x }) {
    const scale = learnt(g, x!);
    return { scaled: g.div(x!, overEntries(g, scale)), scale };
  },

  reference({ x }) {
    const [H, , D] = x!.dims as [number, number, number];
    const scale = eachHead(H, D, (h) => {
      const rows = rowsOf(x!, h);
      return Array.from({ length: D }, (_, d) => Math.sqrt(Math.max(...rows.map((row) => Math.abs(row[d]!))) || 1));
    });
    return { scaled: eachNumber(x!, (v, h, _, d) => v / scale.get(h, d)), scale };
  },

  example: {
    inputs: { x: [[[4, 0], [-16, 0]]] }, // biome-ignore format: one row an entry
    outputs: { scaled: [[[1, 0], [-4, 0]]], scale: [[4, 1]] }, // biome-ignore format: one row an entry
  },
});

export const channelScale = (): Transform => ({
  ...channelScaleOperator(),
  transform: 'channel scale',
  codes: { channels: { type: 'f32', per: 'store', dims: (D) => [D], role: 'scales' } },
  learn: (g, x) => ({ channels: learnt(g, x) }),
  forward: (g, x, known) => g.div(x, overEntries(g, known.channels!)),
  linear: true,
  inverse: (g, x, known) => g.mul(x, overEntries(g, known.channels!)),
});
