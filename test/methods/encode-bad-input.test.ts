import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  accumulatedAttention,
  all,
  byPart,
  channelOrder,
  type Declaration,
  everything,
  exact,
  hadamard,
  last,
  type Method,
  method,
  methods,
  nothing,
  oneTier,
  pipe,
  quant,
  reorder,
  rest,
  rows,
  tiled,
  top,
  uniform,
  zones,
} from '@kvlab/ops';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { createSequence } from '../../kernel/src/engine/run/sequence.ts';
import { loadTiny } from '../engine/tiny-model.ts';

const base = { when: 'step', compensate: nothing, place: oneTier, fetch: all, attend: rows() } as const;
const make = (declaration: () => Declaration): Method => method('mine', {}, declaration, { paper: '' })();

/** What is refused when the method is made, and the words that name slot, operator and fix. */
const refused: [string, () => Method, RegExp][] = [
  ['9 bits', () => methods.kivi({ bits: 9 }), /encode quant: bits is 9; give a number from 1 to 8/],
  ['5 bits of levels', () => methods.kvQuant({ bits: 5 }), /encode levels: bits is 5; give a number from 1 to 4/],
  [
    'a mantissa of 1',
    () => methods.bfpOutliers({ mantissa: 1 }),
    /encode block-float: mantissa is 1; give a number from 2 to 8/,
  ],
  ['12 planes', () => methods.bipolarInt({ bits: 12 }), /encode bit-planes: bits is 12; give a number from 1 to 8/],
  ['a group that fills no bytes', () => methods.kivi({ group: 12 }), /encode quant: group is 12; give a multiple of 8/],
  ['a rank of 9', () => methods.gear({ rank: 9 }), /encode low-rank: rank is 9; give a number from 1 to 8/],
  [
    'rows of all heads behind a choice of each head',
    () =>
      make(() => ({
        ...base,
        score: accumulatedAttention(),
        allocate: uniform({ heavy: 8, recent: 8 }),
        select: zones({ recent: last, heavy: top, body: rest }),
        encode: { body: { keys: quant({ bits: 4 }), values: quant({ bits: 4, per: 'row' }) } },
      })),
    /mine: encode 4 bits per row \(values of zone body\) writes one row for all KV heads, but select top by accumulated attention chooses for each head; score the whole layer, or use a code for each head/,
  ],
  [
    'an order across heads behind an allocation by head',
    () => {
      const duo = methods.duoAttention().declaration;
      return make(() => ({
        ...duo,
        encode: { body: { keys: pipe(reorder(channelOrder('strength')), quant({ bits: 4 })) } },
      }));
    },
    /mine: encode .* \(keys of zone body\) writes one row for all KV heads, but allocate by head class .* gives each head its own amount/,
  ],
  [
    'tiles over zones of their own',
    () =>
      make(() => ({
        ...base,
        score: nothing,
        allocate: everything,
        select: byPart({ keys: zones({ recent: last(4), body: rest }), values: zones({ body: rest }) }),
        encode: exact,
        attend: tiled(),
      })),
    /mine: attend tiles of 64 keys reads keys and values slot by slot, but select keeps them in zones of their own; use one list of zones, or attend: rows\(\)/,
  ],
];

for (const [what, create, words] of refused)
  test(`${what}: refused when the method is made, with slot, operator and fix`, () => {
    assert.throws(create, words);
  });

describe('what depends on the model is refused before anything runs', () => {
  let model: Model;
  before(async () => {
    model = await loadTiny('wasm');
  });
  after(() => model.release());

  const late: [string, () => Method, RegExp][] = [
    [
      'a group that does not divide',
      () => methods.kivi({ group: 48 }),
      /encode quant: group 48 does not divide the head size 64; give a divisor, for example 32/,
    ],
    [
      'a block that does not divide',
      () => methods.bfpOutliers({ block: 24, sorted: false }),
      /encode block-float: block 24 does not divide the head size 64; give a divisor, for example 32/,
    ],
    [
      'levels without their fit',
      () => methods.kvQuant(),
      /levels .* has not been fitted; run lab.fit\(model, method\) first/,
    ],
  ];
  for (const [what, create, words] of late)
    test(what, () => {
      assert.throws(() => createSequence(model, create()), words);
    });

  test('a rotation across heads needs no power of two', () => {
    const encoding = pipe(hadamard({ heads: true }), quant({ bits: 4 }));
    assert.equal(encoding.joint, true);
    assert.doesNotThrow(() =>
      createSequence(
        model,
        make(() => ({
          ...base,
          score: nothing,
          allocate: everything,
          select: zones({ body: rest }),
          encode: { body: encoding },
        })),
      ),
    );
  });
});
