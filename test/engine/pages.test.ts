/** Pages, tiers and the file behind them where something is wrong: what is said, and that nothing is lost. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  every,
  everything,
  exact,
  keyBound,
  keyBounds,
  type MethodFactory,
  meanKey,
  method,
  methods,
  nothing,
  onDevice,
  onHost,
  pagesBy,
  quant,
  rest,
  rows,
  zones,
} from '@kvlab/ops';
import { heldBytes } from '../../kernel/src/engine/cache/ledger.ts';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import type { PageFile } from '../../kernel/src/engine/runtime/platform.ts';
import { loadTiny, tinyIds } from './tiny-model.ts';
import { apart, goOn, sameBits, walk } from './walk.ts';

/** A method whose declaration a test fills in part. */
const declared = (parts: object): MethodFactory<object> =>
  method(
    'tried',
    {},
    () => ({
      when: [],
      segment: every(4),
      score: nothing,
      allocate: everything,
      select: zones({ body: rest }),
      compensate: nothing,
      encode: exact,
      place: { body: onDevice({ summary: keyBounds() }) },
      fetch: { body: pagesBy(keyBound(), { read: 8 }) },
      attend: rows(),
      ...parts,
    }),
    { paper: '' },
  );

describe('declarations of pages and tiers that cannot be meant', () => {
  const host = (options: object) => () => onHost({ summary: keyBounds(), pool: 8, ...options });
  const bad: Record<string, [() => unknown, RegExp]> = {
    'a page of no tokens': [() => methods.quest({ page: 0 }), /segment every: a block is 0 tokens; give a whole number from 1/],
    'half a block': [() => every(2.5), /segment every: a block is 2\.5 tokens; give a whole number from 1/],
    'nothing to read': [() => methods.quest({ read: 0 }), /fetch pages: read is 0; give a share of the prompt or a number of entries/],
    'fewer pages than none': [() => pagesBy(keyBound(), { pages: -1 }), /fetch pages: pages is -1; give a number from 0/],
    'a pool smaller than what is read': [() => methods.infLLM({ blocks: 6, pool: 4 }), /InfLLM: place keeps 4 pages of body on the device and fetch reads 6 at once; raise the pool to 6 or read fewer/],
    'a pool of parts': [host({ pool: 1.5 }), /place on host: pool is 1\.5 pages; give a whole number from 0/],
    'a host without room': [host({ hostBytes: 0 }), /place on host: hostBytes is 0; give more than 0, or leave it out for no limit/],
    'a distance before the text': [() => methods.infLLM({ local: -1 }), /is -1/],
    'pages without segments': [() => declared({ segment: undefined })(), /tried: place and fetch cut zone body into pages, but nothing says where one ends; give segment: every\(16\)/],
    'a summary that the fetch does not read': [() => declared({ place: { body: onDevice({ summary: meanKey() }) } })(), /tried: fetch key-bound needs low of each page of body, and place gives key, queries; give place another summary/],
    'batches on the host': [
      () => declared({ place: { body: onHost({ summary: keyBounds(), pool: 9 }) }, encode: { body: quant({ bits: 2, group: 8, per: 'channel' }) } })(),
      /tried: place puts keys of body on the host one page at a time, but .* stores 8 entries together; encode them one by one/,
    ],
  }; // biome-ignore format: one case a line
  for (const [name, [call, message]] of Object.entries(bad)) test(name, () => assert.throws(call, message));
});

describe('tiers that fill up or break', () => {
  let tiny: Model;
  before(async () => {
    tiny = await loadTiny('wasm');
  });
  after(() => tiny.release());

  const small = { block: 4, init: 4, local: 12, blocks: 2, pool: 2 };

  test('a host that would be full refuses the step before it computes, and the cache is as it was', async () => {
    const hostBytes = 2 ** 15;
    const { sequence } = await walk(tiny, methods.infLLM({ ...small, hostBytes }), { prompt: 20, steps: 0 });
    const next = () => tinyIds[sequence.ids.length]!;
    let error: Error | undefined;
    while (!error) {
      const before = { bytes: heldBytes(sequence.layers), tokens: sequence.ids.length, step: sequence.step };
      try {
        await feedToken(sequence, next());
      } catch (thrown) {
        error = thrown as Error;
        assert.deepEqual(
          { bytes: heldBytes(sequence.layers), tokens: sequence.ids.length, step: sequence.step },
          before,
        );
      }
    }
    assert.match(
      error.message,
      /InfLLM: place on host: \d+ bytes of rows of zone body are to lie there and hostBytes allows 32768; raise hostBytes, or give disk: true/,
    );
    await assert.rejects(() => feedPrompt(sequence, [next()]), /place on host/);
    const roomy = await walk(tiny, methods.infLLM(small), { prompt: 20, steps: sequence.ids.length - 20 });
    assert.deepEqual(
      sequence.layers.map(({ tables }) => tables.map(({ count }) => count)),
      roomy.sequence.layers.map(({ tables }) => tables.map(({ count }) => count)),
    );
  });

  /** The tiny model on a disk that flips a bit of what is read while `broken` says so. */
  const onDisk = (broken: { now: boolean }): Model => ({
    ...tiny,
    async openPages(): Promise<PageFile> {
      const file = await tiny.openPages!();
      return {
        append: file.append,
        async read(offset, length) {
          const bytes = await file.read(offset, length);
          if (broken.now) bytes[length >> 1]! ^= 1;
          return bytes;
        },
      };
    },
  });
  const paged = methods.infLLM({ ...small, hostBytes: 4096, disk: true });

  test('a damaged page is noticed and named, and the step can be taken again once the file is whole', async () => {
    const broken = { now: false };
    const options = { prompt: 60, steps: 0 };
    const [found, expected] = [await walk(onDisk(broken), paged, options), await walk(tiny, paged, options)];
    broken.now = true;
    const bytes = heldBytes(found.sequence.layers);
    await assert.rejects(
      () => goOn(found, { steps: 12 }),
      /InfLLM: place on host and disk, zone body, page \d+ of layer \d+, KV head \d+: its \d+ bytes at \d+ of the page file are damaged; the cache is as it was before this step/,
    );
    assert.ok(heldBytes(found.sequence.layers) >= bytes);
    broken.now = false;
    const took = found.sequence.ids.length - 60;
    const [rest, whole] = [await goOn(found, { steps: 12 - took }), await goOn(expected, { steps: 12 })];
    assert.ok(sameBits(rest.logits.slice(-(12 - took)), whole.logits.slice(-(12 - took))));
    assert.ok(apart(rest.logits.slice(-1), whole.logits.slice(-1)) === 0);
  });

  test('where there is no disk, a method that asks for one says so', async () => {
    const { openPages: _, ...diskless } = tiny;
    await assert.rejects(
      () => walk(diskless, paged, { prompt: 60 }),
      /InfLLM: place on disk: there is no disk on this platform; leave disk out, or raise hostBytes/,
    );
  });
});
