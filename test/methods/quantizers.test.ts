/** What every method that stores in few bits has in common: columns for the panel, bytes that are really there, packed for real. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Method, methods } from '@kvlab/ops';
import { fullBytes, readLedger } from '../../kernel/src/engine/cache/ledger.ts';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { byteParts, decodeFrame, errorMeasures } from '../../kernel/src/engine/record/frame.ts';
import { lab } from '../../kernel/src/lab.ts';
import { liveBytes } from '../engine/live-buffers.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';
import { walk } from '../engine/walk.ts';

interface Quantizer {
  name: string;
  method: Method;
  /** Bits of a stored number, without scales, for keys and for values; 32 where they stay exact. */
  bits: readonly [number, number];
  /** Tokens that stay exact after 96 tokens of prompt. */
  exact: number;
}
const quantizers: readonly Quantizer[] = [
  { name: 'KIVI', method: methods.kivi({ bits: 3, group: 16, residual: 16 }), bits: [3, 3], exact: 16 },
  { name: 'MiKV', method: methods.mikv({ heavy: 8, recent: 8 }), bits: [2, 2], exact: 16 },
  { name: 'GEAR', method: methods.gear({ block: 16 }), bits: [2, 2], exact: 0 },
  { name: 'ZipCache', method: methods.zipCache({ group: 8 }), bits: [4, 4], exact: 8 },
  { name: 'KVQuant', method: methods.kvQuant(), bits: [3, 3], exact: 1 },
  { name: 'RotateKV', method: methods.rotateKV({ pivots: 4 }), bits: [2, 2], exact: 4 },
  { name: 'BFP', method: methods.bfpOutliers(), bits: [4, 32], exact: 0 },
  { name: 'Bipolar-INT', method: methods.bipolarInt(), bits: [3, 32], exact: 0 },
];
const tokens = 96;

describe('methods that store in few bits', () => {
  let model: Model;
  before(async () => {
    model = await loadTiny('wasm');
  });
  after(() => model.release());

  for (const { name, method, bits, exact } of quantizers) {
    test(`${name}: errors of stored rows by layer, channel and token, of keys and values, and of what attention gives`, async () => {
      const run = await lab.generate(model, tinyIds.slice(0, tokens), { method, maxTokens: 3 });
      const { header, buffer } = run.snapshot();
      const columns = decodeFrame(header, buffer);
      const { layers, kvHeads, headSize } = model.config;
      const column = (what: string) => columns[`quantization.${what}`]!.data;
      const T = column('token').length / layers / 2;
      for (let l = 0; l < layers; l++)
        for (const [p, width] of bits.entries()) {
          const measure = (m: number) => Number(column('layer')[(l * 2 + p) * errorMeasures.length + m]);
          const channels = Array.from(column('channel').slice((l * 2 + p) * kvHeads * headSize, (l * 2 + p + 1) * kvHeads * headSize) as ArrayLike<number>); // biome-ignore format: one line
          const byToken = Array.from({ length: T }, (_, t) => Number(column('token')[(l * 2 + p) * T + t]));
          const widths = Array.from({ length: T }, (_, t) => Number(column('bits')[(l * 2 + p) * T + t]));
          if (width === 32) {
            assert.ok(Number.isNaN(measure(0)) && channels.every(Number.isNaN) && byToken.every(Number.isNaN));
            continue;
          }
          assert.ok(measure(0) > 0 && measure(2) > 0.8 && measure(2) <= 1.001, `cosine ${measure(2)}`);
          assert.ok(channels.every((e) => e >= 0) && channels.some((e) => e > 0));
          const coded = byToken.filter((e) => !Number.isNaN(e)).length;
          assert.ok(coded >= tokens - exact - 8 && coded <= T, `${coded} tokens of ${T}`);
          assert.ok(
            widths.some((b) => b === width),
            `${[...new Set(widths)]} bits`,
          );
          byToken.forEach((e, t) => {
            assert.equal(Number.isNaN(e), widths[t] === 32);
          });
        }
      const output = Array.from(column('output') as ArrayLike<number>);
      assert.ok(
        output.every((e) => e > 0 && Number.isFinite(e)),
        `attention output moved by ${output}`,
      );
    });

    test(`${name}: held bytes are live buffers, and differ from claimed ones by what is named`, async () => {
      const { sequence } = await walk(model, method, { prompt: tokens, steps: 2 });
      const { layers } = sequence;
      const { held, claimed, zones } = readLedger(method, layers);
      assert.equal(held, liveBytes(layers.map(({ tables, stores }) => ({ tables, stores }))));
      const part = (of: (typeof byteParts)[number]) =>
        zones.filter((_, at) => at % byteParts.length === byteParts.indexOf(of)).reduce((a, b) => a + b, 0);
      const registers = layers
        .flatMap(({ stores }) => [...stores.keys, ...stores.values])
        .flatMap((store) => [...store.registers.values()])
        .reduce((n, data) => n + data.byteLength, 0);
      // Exact rows are f32 where papers count 16 bits.
      const exactRows = layers.flatMap(({ stores, tables }) =>
        (['keys', 'values'] as const).flatMap((p) =>
          tables.map((table) => {
            const own = (e: number) => stores[p][table.store[p][e]!]!.encoding.exact;
            return Array.from({ length: table.count }, (_, e) => Number(own(e))).reduce((a, b) => a + b, 0);
          }),
        ),
      );
      const precision = 2 * model.config.headSize * exactRows.reduce((a, b) => a + b, 0);
      const apart = held - claimed - precision - part('index') - part('slack') - registers;
      // Places of outliers are named as index, and claimed too.
      const places = claimed && apart < 0 ? -apart : 0;
      assert.ok(Math.abs(apart + places) < 1, `${apart} bytes have no name`);
      assert.ok(places < 0.1 * claimed);
      const { layers: L, kvHeads, headSize } = model.config;
      assert.ok(held - part('slack') - part('index') < 0.75 * fullBytes(sequence.ids.length, L, kvHeads, headSize));
    });

    test(`${name}: codes fill their bytes: no code is a byte by itself`, () => {
      for (const zone of method.zones)
        for (const [p, partName] of (['keys', 'values'] as const).entries()) {
          const encoding = method.encodingOf(zone, partName);
          if (encoding.exact) continue;
          const payload = Object.entries(encoding.codes).filter(
            ([, { type, role }]) => type === 'u8' && role === 'payload',
          );
          const bytes = payload.reduce(
            (n, [, code]) => n + code.dims(64).reduce((a, b) => a * b, 1) / (code.per === 'batch' ? encoding.grain : 1),
            0,
          );
          assert.equal(bytes, (64 * encoding.bits) / 8, `${zone} ${partName} ${p}`);
        }
    });
  }
});
