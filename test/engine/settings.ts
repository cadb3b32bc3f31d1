/** Methods in several settings: all of the library, and some that only tests use, so that heads differ and zones are many. */
import {
  type Allocation,
  accumulatedAttention,
  all,
  beforeRotary,
  byPart,
  contiguous,
  everything,
  exact,
  first,
  last,
  type Method,
  type MethodFactory,
  method,
  methods,
  nothing,
  oneTier,
  openOrConcluded,
  pipe,
  quant,
  remainder,
  rest,
  rows,
  type Segment,
  type Segmentation,
  top,
  turns,
  zones,
} from '@kvlab/ops';

export interface Setting {
  name: string;
  method: Method;
  /** Positions alone decide what stays, or tokens are judged before attention: chunks change nothing. */
  anyChunk?: boolean;
  /** The same method where it must not act: room for everything, exact rows. */
  idle?: Method;
}

/** An allocation that a test writes down: entries of a zone for each (layer, kvHead). */
export const amounts = (of: Readonly<Record<string, (head: number, heads: number) => number>>): Allocation => ({
  ...everything,
  title: 'amounts written down in a test',
  neutral: false,
  allocate: ({ layers, kvHeads }) =>
    new Map(
      Object.entries(of).map(([zone, amount]) => [
        zone,
        Float64Array.from({ length: layers * kvHeads }, (_, head) => amount(head, layers * kvHeads)),
      ]),
    ),
});

const base = { compensate: nothing, place: oneTier, fetch: all, attend: rows() } as const;
const scored = { ...base, score: accumulatedAttention(), when: ['chunk', 'step'] } as const;
const spread = [2, 12, 100];

/** H2O whose heads 0, 1 and 2 hold 5, 40 and 400 entries, or what the test says. */
export const raggedHeavy = method(
  'ragged',
  { first: 5, second: 40, third: 400 },
  (o) => ({
    ...scored,
    allocate: amounts({ heavy: (head) => [o.first, o.second, o.third][head % 3]! }),
    select: zones({ heavy: top }),
    encode: exact,
  }),
  { paper: '' },
);

/** Heavy hitters exact, the rest of what is kept packed per token; heads keep different amounts. */
const packedBelow = method(
  'packed below heavy',
  { bits: 4, held: 24 },
  (o) => ({
    ...scored,
    allocate: amounts({ heavy: (head) => spread[head % 3]! / 2 + 1, body: () => o.held }),
    select: zones({ recent: last(4), heavy: top, body: rest }),
    encode: { body: quant({ bits: o.bits, group: 32, per: 'token' }) },
  }),
  { paper: '' },
);

/** Keys packed in batches of eight whose entries leave one by one. */
const leavingBatches = method(
  'leaving batches',
  { body: 20 },
  (o) => ({
    ...base,
    score: nothing,
    when: ['chunk', 'step'],
    allocate: amounts({ body: (head) => o.body + 3 * (head % 3) }),
    select: zones({ recent: last(8), body: rest }),
    encode: {
      body: { keys: quant({ bits: 2, group: 8, per: 'channel' }), values: quant({ bits: 2, group: 32, per: 'token' }) },
    },
  }),
  { paper: '' },
);

/** Values packed in batches that crumble, beside exact keys. */
const crumblingValues = method(
  'crumbling values',
  { heavy: 14 },
  (o) => ({
    ...scored,
    allocate: amounts({ heavy: (head) => o.heavy + 4 * (head % 3) }),
    select: byPart({
      keys: zones({ heavy: top }),
      values: zones({ heavy: top }),
    }),
    encode: { heavy: { values: quant({ bits: 4, group: 8, per: 'channel' }) } },
  }),
  { paper: '' },
);

/** Packed keys without positions, read close together behind sinks. */
const packedUnrotated = method(
  'packed before rotary',
  { group: 8 },
  (o) => {
    const raw = pipe(beforeRotary, exact);
    const packed = pipe(beforeRotary, quant({ bits: 4, group: o.group, per: 'channel' }));
    return {
      ...base,
      score: nothing,
      when: ['chunk', 'step'],
      allocate: everything,
      select: byPart({
        keys: zones({ sinks: first(2), residual: remainder(16), body: rest }),
        values: zones({ sinks: first(2), residual: last(16), body: rest }),
      }),
      encode: {
        body: { keys: packed, values: quant({ bits: 4, group: 32, per: 'token' }) },
        keys: raw,
      },
      attend: rows({ at: contiguous }),
    };
  },
  { paper: '' },
);

/** Text in lists of eight tokens, each of one task whose last two tokens are its conclusion. */
const listsOfEight: Segmentation = {
  ...turns(),
  title: 'lists of eight tokens',
  cut: (pieces) =>
    Array.from({ length: Math.ceil(pieces.length / 8) }, (_, i): Segment[] => {
      const [from, to] = [8 * i, Math.min(pieces.length, 8 * i + 8)];
      const open = to < 8 * i + 8;
      return [
        { from, to, open, within: -1, conclusion: false },
        { from, to, open, within: 3 * i, conclusion: false },
        { from: from + 6, to: Math.max(to, from + 6), open, within: 3 * i + 1, conclusion: true },
      ];
    }).flat(),
};

/** TIM's pruning over such lists. */
const prunedLists = method(
  'pruned lists',
  { keepLists: 1 },
  (o) => ({
    ...base,
    when: 'segment end',
    segment: listsOfEight,
    score: nothing,
    allocate: everything,
    select: zones({ live: openOrConcluded(o.keepLists) }),
    encode: { keys: pipe(beforeRotary, exact), values: exact },
    attend: rows({ at: contiguous }),
  }),
  { paper: '' },
);

const { full, window, streamingLLM, h2o, snapKV, kivi, random, keyNorm, gemFilter } = methods;

const written: readonly Setting[] = [
  { name: 'full', method: full(), anyChunk: true, idle: full() },
  { name: 'window of 9', method: window({ recent: 9 }), anyChunk: true, idle: window({ recent: 1000 }) },
  { name: 'window, keep a third', method: window({ keep: 0.33 }), anyChunk: true, idle: window({ keep: 1 }) },
  {
    name: 'StreamingLLM',
    method: streamingLLM({ sinks: 2, recent: 9 }),
    anyChunk: true,
    idle: streamingLLM({ keep: 1 }),
  },
  {
    name: 'StreamingLLM, absolute',
    method: streamingLLM({ sinks: 3, keep: 0.5, positions: 'absolute' }),
    anyChunk: true,
    idle: streamingLLM({ recent: 1000, positions: 'absolute' }),
  },
  { name: 'H2O, keep 30 %', method: h2o({ keep: 0.3 }), idle: h2o({ keep: 1 }) },
  { name: 'H2O, 7 entries', method: h2o({ entries: 7 }), idle: h2o({ entries: 1000 }) },
  { name: 'H2O in bytes', method: h2o({ bytes: 6 * 11 * 512 }), idle: h2o({ bytes: 1e8 }) },
  {
    name: 'SnapKV, 12 entries',
    method: snapKV({ entries: 12, window: 4, kernel: 3 }),
    idle: snapKV({ keep: 1, window: 4 }),
  },
  { name: 'SnapKV, mean pool', method: snapKV({ keep: 0.5, window: 5, pool: 'mean' }), idle: snapKV({ window: 5 }) },
  { name: 'KIVI, 2 bits', method: kivi({ group: 8, residual: 16 }), idle: kivi({ residual: 1024 }) },
  {
    name: 'KIVI, 4 bits, 16-bit residual',
    method: kivi({ bits: 4, group: 16, residual: 16, residualAs: 'half' }),
    idle: kivi({ bits: 4, residual: 512 }),
  },
  { name: 'KIVI, 3 bits, odd residual', method: kivi({ bits: 3, group: 8, residual: 13 }) },
  { name: 'D2O', method: methods.d2o({ keep: 0.4, untouched: [] }), idle: methods.d2o({ keep: 1, untouched: [] }) },
  { name: 'MiKV', method: methods.mikv({ recent: 4 }), idle: methods.mikv({ recent: 1000 }) },
  { name: 'GEAR', method: methods.gear({ block: 8, group: 32 }), idle: methods.gear({ block: 128, group: 32 }) },
  { name: 'ZipCache', method: methods.zipCache({ group: 8, every: 3 }), idle: methods.zipCache({ group: 1024 }) },
  { name: 'Bipolar-INT', method: methods.bipolarInt() },
  { name: 'KVQuant', method: methods.kvQuant(), idle: methods.kvQuant({ sinks: 1000 }) },
  { name: 'RotateKV', method: methods.rotateKV({ pivots: 3, group: 32 }) },
  { name: 'BFP', method: methods.bfpOutliers() },
  { name: 'FlashAttention', method: methods.flashAttention({ tile: 7 }), idle: methods.flashAttention() },
  { name: 'FlashDecoding++', method: methods.flashDecodingPlusPlus({ reach: 3 }) },
  {
    name: 'RazorAttention',
    method: methods.razorAttention({ sinks: 2, recent: 6 }),
    idle: methods.razorAttention({ recent: 1000 }),
  },
  {
    name: 'DuoAttention',
    method: methods.duoAttention({ sinks: 2, recent: 6 }),
    idle: methods.duoAttention({ recent: 1000 }),
  },
  { name: 'random', method: random({ keep: 0.4 }), idle: random({ keep: 1 }) },
  { name: 'GemFilter', method: gemFilter({ layer: 1, tokens: 12 }), idle: gemFilter({ layer: 1 }) },
  {
    name: 'Attention-Gate',
    method: methods.attentionGate({ recent: 3 }),
    anyChunk: true,
    idle: methods.attentionGate({ keep: 1 }),
  },
  { name: 'Locret', method: methods.locret({ entries: 12 }), idle: methods.locret() },
  {
    name: 'Quest, pages of 4',
    method: methods.quest({ page: 4, read: 12, exactLayers: 0 }),
    idle: methods.quest({ page: 4, keep: 1 }),
  },
  { name: 'Quest, keep 40 %, first layer exact', method: methods.quest({ page: 3, keep: 0.4, exactLayers: 1 }) },
  {
    name: 'InfLLM',
    method: methods.infLLM({ block: 4, init: 4, local: 9, blocks: 2, pool: 3 }),
    idle: methods.infLLM({ init: 0, local: 1000 }),
  },
  {
    name: 'InfLLM, most pages in a file',
    method: methods.infLLM({ block: 3, init: 2, local: 6, blocks: 2, pool: 2, hostBytes: 2 ** 13, disk: true }),
  },
  { name: 'vAttention', method: methods.vAttention({ page: 4096, ahead: 1 }) },
  { name: 'key norm', method: keyNorm({ entries: 10 }), idle: keyNorm({ keep: 1 }) },
];

/** Methods of the list that have no setting above: 40 % of the prompt. */
const others: readonly Setting[] = Object.entries(methods).flatMap(([name, factory]) => {
  if (written.some((setting) => setting.method.name === factory.methodName)) return [];
  if (factory().declaration.allocate.neutral) return [{ name, method: (factory as MethodFactory<object>)() }];
  const window = 'window' in factory.defaults ? { window: 4 } : {};
  const make = (keep: number) => (factory as MethodFactory<object>)({ keep, ...window });
  return { name: `${name}, keep 40 %`, method: make(0.4), idle: make(1) };
});

/** Every method in the library's list, most in several settings. */
export const librarySettings: readonly Setting[] = [...written, ...others];

/** Declarations for tests alone: ragged heads, a head without room, several zones, packed zones, batches that crumble. */
export const testSettings: readonly Setting[] = [
  { name: 'heads of 2, 12 and 100', method: raggedHeavy({ first: 2, second: 12, third: 100 }) },
  { name: 'a head that may hold nothing', method: raggedHeavy({ first: 0, second: 30, third: 6 }) },
  { name: 'packed below heavy', method: packedBelow() },
  { name: 'leaving batches', method: leavingBatches() },
  { name: 'crumbling values', method: crumblingValues() },
  { name: 'packed before rotary', method: packedUnrotated() },
  { name: 'pruned lists', method: prunedLists(), idle: prunedLists({ keepLists: 100 }) },
];

export const settings: readonly Setting[] = [...librarySettings, ...testSettings];

/** The first setting of each method. */
export const onePerMethod: readonly Setting[] = settings.filter(
  ({ method }, i) => settings.findIndex((other) => other.method.name === method.name) === i,
);
