/** Laws about what a step reads: neutral settings, positions, forms of reading, cuts into zones, physical order, padding. */
import assert from 'node:assert/strict';
import { all, codesOfStore, codeType, type Encoding, exact, type Method, methods, oneTier } from '@kvlab/ops';
import { type CacheLayer, keptPositions, parts } from '../../../kernel/src/engine/cache/layer.ts';
import { fittedFor } from '../../../kernel/src/engine/fit/fitted.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { forkSequence } from '../../../kernel/src/engine/run/sequence.ts';
import type { StepObserver } from '../../../kernel/src/engine/run/step-observer.ts';
import { feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { keptAttention } from '../kept-attention.ts';
import type { Setting } from '../settings.ts';
import { tinyIds } from '../tiny-model.ts';
import { apart, promptLength, sameBits, stepsOn, type Walked, walk } from '../walk.ts';
import { type Law, within } from './law.ts';
import { fillEmptySlots, shuffleSlots } from './slots.ts';

const isPacked = (method: Method): boolean =>
  method.zones.some((zone) => !method.encodingOf(zone, 'keys').exact || !method.encodingOf(zone, 'values').exact);

/** The same method with other encodings, each standing for one of the original. */
function reencoded(method: Method, change: (encoding: Encoding, zone: string) => Encoding): Method {
  return { ...method, encodingOf: (zone, part) => change(method.encodingOf(zone, part), zone) };
}

/** Packed rows kept as what reading them gives. */
const unpacked = (encoding: Encoding): Encoding =>
  encoding.exact
    ? encoding
    : {
        ...encoding,
        name: `unpacked ${encoding.name}`,
        codes: {
          ...Object.fromEntries(codesOfStore(encoding.codes)),
          rows: { type: 'f32', per: 'entry', dims: (D) => [D], role: 'payload' },
        },
        write(g, x, known = {}) {
          const codes = Object.entries(encoding.write(g, x, known));
          const stored = codes.map(([name, value]) => [name, g.cast(value, codeType(encoding.codes[name]!, g.device))]);
          return { rows: encoding.read(g, { ...known, ...Object.fromEntries(stored) }) };
        },
        read: (_, { rows }) => rows!,
        mix: undefined,
      };

export const neutralLaw: Law = {
  number: 1,
  sentence: 'with room for everything and exact rows, logits equal those of the full cache',
  concerns: ({ idle }) => idle !== undefined,
  async check(model, { idle }) {
    // One chunk: a method that needs its last queries together would cut the prompt elsewhere.
    const full = await walk(model, methods.full(), { chunk: promptLength });
    const found = await walk(model, idle!, { chunk: promptLength });
    const difference = apart(found.logits, full.logits);
    // Guests cut the last token of the prompt from the others, tiles cut its rows.
    const { attend, passes } = idle!.declaration;
    const cut = attend.mix !== undefined || passes !== undefined;
    if (found.sequence.layers[0]!.shape.rotated && !cut && model.runtime.device === 'wasm')
      assert.ok(sameBits(found.logits, full.logits), `apart by ${difference}`);
    else assert.ok(difference < within(model, 1e-5), `apart by ${difference}`);
  },
};

/** Takes every step twice from the same cache, once after a change that must not be seen, and compares. */
async function stepTwins(
  model: Model,
  method: Method,
  change: (layer: CacheLayer, seed: number) => void,
  compare: (difference: number, events: readonly string[], changed: readonly string[]) => void,
): Promise<void> {
  const { sequence } = await walk(model, method, { steps: 0 });
  for (let i = 0; i < stepsOn(model); i++) {
    const twin = forkSequence(sequence);
    for (const [l, layer] of twin.layers.entries()) change(layer, 10 * i + l);
    const id = tinyIds[sequence.ids.length]!;
    const [events, changed]: string[][] = [[], []];
    const plain = await feedToken(sequence, id, { observer: listing(events!) });
    const found = await feedToken(twin, id, { observer: listing(changed!) });
    compare(apart([plain], [found]), events!.sort(), changed!.sort());
  }
}

const listing = (list: string[]): StepObserver => ({
  event(e) {
    list.push(`${e.kind} ${e.layer} ${e.kvHead} ${e.position} ${e.part} ${e.from} ${e.to}`);
  },
  layer() {},
  written() {},
});

export const setLaw: Law = {
  number: 4,
  sentence: 'the order of rows in memory changes no output and no event',
  check: (model, { method }) =>
    stepTwins(model, method, shuffleSlots, (difference, events, changed) => {
      assert.ok(difference < within(model, 1e-5), `apart by ${difference}`);
      assert.deepEqual(changed, events);
    }),
};

export const positionLaw: Law = {
  number: 5,
  sentence: 'each step reads exactly the kept rows at the positions of the rule, and scores follow their entries',
  // Products with codes round the queries too: test/methods/bipolar-int.
  concerns: ({ method }) => method.declaration.attend.reads !== 'codes',
  async check(model, { method }) {
    const oracle = keptAttention(model);
    const fitted = await fittedFor(model, method);
    await walk(oracle.model, method, { fitted, observer: oracle.observe, onStep: oracle.settle });
    assert.ok(oracle.compared > 10_000);
    assert.ok(oracle.outputApart < within(model, 1e-5), `output apart by ${oracle.outputApart}`);
    assert.ok(oracle.scoreApart < within(model, 1e-5), `score apart by ${oracle.scoreApart}`);
  },
};

export const formLaw: Law = {
  number: 7,
  sentence: 'reading packed rows inside the graph equals reading them unpacked',
  concerns: ({ method }) => isPacked(method) && method.declaration.attend.reads !== 'codes',
  async check(model, { method }) {
    const twin = await walk(model, reencoded(method, unpacked));
    const found = await walk(model, method);
    assert.ok(apart(found.logits, twin.logits) < within(model, 1e-5), `${apart(found.logits, twin.logits)}`);
  },
};

export const fullFetchLaw: Law = {
  number: 8,
  sentence: 'a fetch that may read every page equals a method that reads everything from one tier',
  concerns: ({ method }) => method.zones.some((zone) => method.fetchOf(zone).by !== undefined),
  async check(model, { method }) {
    const wide: Method = {
      ...method,
      fetchOf: (zone) => ({ ...method.fetchOf(zone), pages: Infinity, entries: () => Infinity }),
    };
    const whole: Method = { ...method, placeOf: () => oneTier, fetchOf: () => all };
    const [found, expected] = [await walk(model, wide), await walk(model, whole)];
    assert.ok(found.sequence.layers[0]!.pages[0]!.heads[0]!.count > 3, 'there are pages to read');
    assert.ok(apart(found.logits, expected.logits) < within(model, 1e-5), `${apart(found.logits, expected.logits)}`);
    const narrow = await walk(model, method);
    assert.ok(apart(narrow.logits, expected.logits) > 1e-4, 'reading a part makes a difference');
  },
};

export const splitLaw: Law = {
  number: 12,
  sentence: 'cutting what is read into stores of their own changes no output',
  async check(model, { method }) {
    // All exact, since a difference in the last bit may tip what is packed later.
    const plain = reencoded(method, (e) => ({ ...exact, stores: e.stores }));
    const cut = reencoded(method, (e, zone) => ({ ...exact, stores: e.stores, name: `exact, ${zone}` }));
    const [whole, found] = [await walk(model, plain), await walk(model, cut)];
    assert.equal(found.sequence.layers[0]!.stores.keys.length, method.zones.length);
    assert.ok(apart(found.logits, whole.logits) < within(model, 1e-5), `apart by ${apart(found.logits, whole.logits)}`);
  },
};

export const paddingLaw: Law = {
  number: 13,
  sentence: 'what lies in empty slots never changes a result',
  check: (model, { method }) => stepTwins(model, method, fillEmptySlots, (difference) => assert.equal(difference, 0)),
};

/** Both devices give the same logits, relative to the largest, and keep the same entries. Where an encoding declares near ties,
 *  a number that lies in the middle of two levels may be packed to either, and logits follow it. */
export async function devicesAgree(wasm: Model, webgpu: Model, { method }: Setting): Promise<void> {
  const fitted = await fittedFor(wasm, method);
  const options = { fitted, chunk: promptLength, steps: stepsOn(webgpu) };
  const [a, b] = [await walk(wasm, method, options), await walk(webgpu, method, options)];
  const ties = Math.max(...packings(method).map(({ operator }) => operator.nearTies ?? 0), 0);
  const tied = codesApart(a, b);
  assert.ok(tied <= ties, `${tied} of the codes differ, and near ties explain ${ties}`);
  const most = tied > 0 ? 1e-2 : 1e-4;
  assert.ok(apart(a.logits, b.logits) < most, `apart by ${apart(a.logits, b.logits)}, codes by ${tied}`);
  const kept = ({ sequence }: Walked) =>
    sequence.layers.map((layer) => layer.tables.map((_, h) => [...keptPositions(layer, h)]));
  assert.deepEqual(kept(b), kept(a));
}

const packings = (method: Method): Encoding[] =>
  method.zones.flatMap((zone) => [method.encodingOf(zone, 'keys'), method.encodingOf(zone, 'values')]);

/** Share of packed bytes that two walks do not have in common. */
function codesApart(a: Walked, b: Walked): number {
  let [differ, all] = [0, 0];
  a.sequence.layers.forEach(({ stores }, l) => {
    for (const part of parts)
      stores[part].forEach(({ codes }, s) => {
        for (const [name, views] of codes)
          views.forEach((view, h) => {
            if (!(view instanceof Uint8Array)) return;
            const other = b.sequence.layers[l]!.stores[part][s]!.codes.get(name)![h]!;
            all += view.length;
            view.forEach((byte, i) => {
              if (byte !== other[i]) differ++;
            });
          });
      });
  });
  return all ? differ / all : 0;
}
