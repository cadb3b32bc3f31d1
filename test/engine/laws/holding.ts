/** Laws about what the cache holds: every entry in one zone, budgets, precision that only falls, bytes. */
import assert from 'node:assert/strict';
import { type CacheLayer, keptPositions, parts } from '../../../kernel/src/engine/cache/layer.ts';
import { readLedger } from '../../../kernel/src/engine/cache/ledger.ts';
import { codeWidth } from '../../../kernel/src/engine/cache/store.ts';
import type { CacheEvent } from '../../../kernel/src/engine/keep/observer.ts';
import type { Sequence } from '../../../kernel/src/engine/run/sequence.ts';
import type { StepObserver } from '../../../kernel/src/engine/run/step-observer.ts';
import { holdsRow, liveBytes } from '../live-buffers.ts';
import { checkTableAndStores } from '../table-and-stores.ts';
import { walk } from '../walk.ts';
import type { Law } from './law.ts';

const watching = (event: (e: CacheEvent) => void): StepObserver => ({ event, layer() {}, written() {} });

function eachHead(sequence: Sequence, visit: (layer: CacheLayer, kvHead: number, head: number) => void): void {
  sequence.layers.forEach((layer, l) => {
    for (let h = 0; h < layer.tables.length; h++) visit(layer, h, l * layer.tables.length + h);
  });
}

export const partitionLaw: Law = {
  number: 2,
  sentence: 'each entry has one zone a part, parts list the same entries, and what entered is held or has left',
  async check(model, { method }) {
    const left = new Map<number, Set<number>>();
    await walk(model, method, {
      observer: (sequence) =>
        watching((e) => {
          if (e.kind !== 'leave' && e.kind !== 'merge') return;
          const head = e.layer * sequence.layers[0]!.tables.length + e.kvHead;
          const gone = left.get(head) ?? new Set();
          assert.ok(!gone.has(e.position), `position ${e.position} leaves twice`);
          left.set(head, gone.add(e.position));
        }),
      onStep: (sequence) =>
        eachHead(sequence, (layer, h, head) => {
          checkTableAndStores(layer);
          const kept = keptPositions(layer, h);
          const all = [...kept, ...(left.get(head) ?? [])].sort((a, b) => a - b);
          assert.deepEqual(
            all,
            Array.from(sequence.ids, (_, position) => position),
          );
          if (layer.shape.aligned) assert.deepEqual(layer.tables[h]!.zone.keys, layer.tables[h]!.zone.values);
        }),
    });
  },
};

export const budgetLaw: Law = {
  number: 3,
  sentence: 'no zone of a head holds more than its amount, and a head with room for something holds something',
  async check(model, { method }) {
    const always = method.when.includes('chunk');
    await walk(model, method, {
      onStep: (sequence) => {
        if (!always) return;
        eachHead(sequence, (layer, h, head) => {
          const table = layer.tables[h]!;
          const rules = method.declaration.select.keys;
          let room = 0;
          for (const { zone, rule } of rules) {
            // With several keep lines, the largest amount of any: the last one that was due decides.
            const lines = [sequence.allocated!, ...sequence.allocatedLater];
            const amount = rule.amount ?? Math.max(...lines.map((of) => of.get(zone)?.[head] ?? Number.POSITIVE_INFINITY)); // biome-ignore format: one line
            const number = method.zones.indexOf(zone);
            const held = table.zone.keys.subarray(0, table.count).filter((z) => z === number).length;
            // Where the next zone takes whole batches, what does not fill one waits.
            const waiting = Math.max(...method.zones.map((z) => method.encodingOf(z, 'keys').grain)) - 1;
            assert.ok(held <= amount + waiting, `zone ${zone} of head ${head} holds ${held} of ${amount}`);
            room += amount;
          }
          assert.ok(room === 0 ? table.count === 0 : table.count > 0);
        });
      },
    });
  },
};

/** Zone, and the code row or batch, of each entry and part. */
function codesOf(sequence: Sequence): Map<string, { zone: number; code: string }> {
  const out = new Map<string, { zone: number; code: string }>();
  eachHead(sequence, (layer, h, head) => {
    const table = layer.tables[h]!;
    for (const part of parts)
      for (let e = 0; e < table.count; e++) {
        const store = layer.stores[part][table.store[part][e]!]!;
        const { grain, codes } = store.encoding;
        const slot = table.slot[part][e]!;
        // Rows in a file have no code here.
        if (slot < 0) continue;
        const ofRows = Object.entries(codes).filter(([, { per }]) => per !== 'store');
        const bytes = ofRows.map(([name, code]) => {
          const width = codeWidth(code, store.headSize);
          const row = code.per === 'entry' ? slot : Math.floor(slot / grain);
          return store.codes
            .get(name)!
            [h]!.slice(row * width, (row + 1) * width)
            .join();
        });
        const place = grain > 1 ? `${slot % grain}:` : '';
        out.set(`${head} ${part} ${table.position[e]}`, { zone: table.zone[part][e]!, code: place + bytes.join(';') });
      }
  });
  return out;
}

export const downLaw: Law = {
  number: 9,
  sentence: 'entries only move down the list of zones, and a row that keeps its zone keeps its code bit for bit',
  async check(model, { method }) {
    const mixes = 'merges' in method.declaration.compensate;
    let before = new Map<string, { zone: number; code: string }>();
    await walk(model, method, {
      onStep: (sequence) => {
        const now = codesOf(sequence);
        for (const [name, { zone, code }] of now) {
          const old = before.get(name);
          if (!old) continue;
          assert.ok(zone >= old.zone, `${name} went from zone ${old.zone} up to ${zone}`);
          // A row that takes in others changes, and stays exact.
          if (zone === old.zone && !mixes) assert.equal(code, old.code, `the code of ${name} changed`);
        }
        before = now;
      },
    });
  },
};

/** Exact rows that a sequence holds now, by name. */
function exactRows(
  sequence: Sequence,
  before: ReadonlyMap<string, Float32Array> = new Map(),
): Map<string, Float32Array> {
  const out = new Map<string, Float32Array>();
  eachHead(sequence, (layer, h, head) => {
    const table = layer.tables[h]!;
    for (const part of parts)
      for (let e = 0; e < table.count; e++) {
        const store = layer.stores[part][table.store[part][e]!]!;
        const rows = store.codes.get('rows')?.[h];
        const [slot, D] = [table.slot[part][e]!, store.headSize];
        const name = `${head} ${part} ${table.position[e]}`;
        // What went to a file is held still, and may have a copy on the device.
        if (slot < 0) out.set(name, before.get(name) ?? new Float32Array(0));
        else if (rows instanceof Float32Array) out.set(name, rows.slice(slot * D, (slot + 1) * D));
      }
  });
  return out;
}

const inFirstLayer = (name: string, { tables }: CacheLayer): boolean => Number.parseInt(name, 10) < tables.length;

export const byteLaw: Law = {
  number: 10,
  sentence: 'the ledger equals a count of live buffers at every step, and rows that left lie in no buffer',
  async check(model, { method }) {
    let before = new Map<string, Float32Array>();
    let searched = 0;
    const { sequence } = await walk(model, method, {
      onStep: ({ layers, ...rest }) => {
        const { held, zones, layers: byLayer } = readLedger(method, layers);
        const live = liveBytes(layers.map(({ tables, stores, pages }) => ({ tables, stores, pages })));
        assert.equal(held, live);
        assert.equal(
          byLayer.reduce((a, b) => a + b),
          live,
        );
        assert.ok(Math.abs(zones.reduce((a, b) => a + b) - live) < 1e-6 * live);
        const now = exactRows({ layers, ...rest }, before);
        // In layer 0 tokens of one kind have the same values wherever they stand.
        const gone = [...before.keys()].filter((name) => !now.has(name) && !inFirstLayer(name, layers[0]!));
        for (const name of gone.slice(0, 2).concat(gone.slice(-2))) {
          assert.ok(!holdsRow(layers, before.get(name)!), `the row of ${name} left and still lies in a buffer`);
          searched++;
        }
        before = now;
      },
    });
    const some = exactRows(sequence).values().next().value;
    if (some) assert.ok(holdsRow(sequence.layers, some), 'the search finds rows that are held');
    if (method.name === 'H2O') assert.ok(searched > 10, `the rows of ${searched} entries were searched for`);
  },
};
