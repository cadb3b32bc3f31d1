import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Allocated,
  all,
  everything,
  type Fitted,
  hashedUniform,
  type Method,
  method,
  nothing,
  oneTier,
  type Part,
  quant,
  remainder,
  rest,
  rows,
  tensor,
  zones,
} from '@kvlab/ops';
import {
  append,
  type CacheLayer,
  cacheShape,
  compact,
  createLayer,
  evict,
  forkLayer,
  keptPositions,
  parts,
} from '../../kernel/src/engine/cache/layer.ts';
import { readLedger } from '../../kernel/src/engine/cache/ledger.ts';
import { seePeaks } from '../../kernel/src/engine/cache/registers.ts';
import { registerBytes } from '../../kernel/src/engine/cache/store.ts';
import { fitsOf } from '../../kernel/src/engine/fit/fitted.ts';
import { createEncoder, type Encoder } from '../../kernel/src/engine/keep/encoder.ts';
import { merges } from '../../kernel/src/engine/keep/merge.ts';
import { columnsOfScore } from '../../kernel/src/engine/keep/parts.ts';
import { allocateBudget, keepPass } from '../../kernel/src/engine/keep/pass.ts';
import { type ScoreFacts, scoredByPass } from '../../kernel/src/engine/keep/score.ts';
import { createOperate } from '../../kernel/src/engine/operate/operate.ts';
import { openRuntime, type Runtime } from '../../kernel/src/engine/runtime/runtime.ts';
import { liveBytes } from './live-buffers.ts';
import { type Seeded, seeded } from './seeded.ts';
import { settings } from './settings.ts';
import { checkTableAndStores } from './table-and-stores.ts';

let runtime: Runtime;

/** What a head should hold, written down beside the cache: rows and column values by position. */
interface Twin {
  rows: Record<Part, Map<number, Float32Array>>[];
  score: Map<number, number>[];
}
interface Subject {
  method: Method;
  layer: CacheLayer;
  twin: Twin;
  allocated: Allocated;
  seen: number;
}

/** Head classes as a fit could have found them: the first head looks far back, the others do not. */
function anyClasses(method: Method, kvHeads: number): Fitted {
  const classes = tensor(
    [1, kvHeads],
    Array.from({ length: kvHeads }, (_, h) => Number(h === 0)),
  );
  return new Map(fitsOf(method).map((fit) => [`${fit.name}/retrieval`, classes]));
}

/** What scores of held entries may read beside the cache. */
function facts({ layer: { shape }, seen }: Subject): ScoreFacts {
  const queries = new Float32Array(shape.kvHeads * seen * shape.headSize).map(
    (_, i) => hashedUniform(i, 0, 0, 0) - 0.5,
  );
  return {
    operate: createOperate(runtime),
    queries: () => ({ data: queries, rows: seen }),
    nll: Array.from({ length: seen }, (_, i) => 3 * hashedUniform(i, 1, 0, 0)),
    turnsAgo: () => 0,
    group: 1,
    frequencies: new Float64Array(shape.headSize / 2),
  };
}

function subject(method: Method, kvHeads: number, headSize: number): Subject {
  const columns = new Set(['score', ...columnsOfScore(method.declaration.score)]);
  const layer = createLayer(cacheShape(method, kvHeads, headSize, [...columns]));
  return {
    method,
    layer,
    twin: {
      rows: Array.from({ length: kvHeads }, () => ({ keys: new Map(), values: new Map() })),
      score: Array.from({ length: kvHeads }, () => new Map()),
    },
    allocated: allocateBudget(method, 1, kvHeads, headSize, 24, anyClasses(method, kvHeads)),
    seen: 0,
  };
}

function add(s: Subject, count: number, random: Seeded): void {
  const { kvHeads, headSize: D } = s.layer.shape;
  const rows = { keys: random.row(kvHeads * count * D), values: random.row(kvHeads * count * D) };
  const positions = Int32Array.from({ length: count }, (_, q) => s.seen + q);
  const firsts = append(s.layer, rows, positions);
  seePeaks(s.layer, seeded(count).row(kvHeads * count * D), (query) => query);
  const alike = random.row(count);
  s.twin.rows.forEach((own, h) => {
    for (let q = 0; q < count; q++) {
      const at = (h * count + q) * D;
      for (const part of parts) own[part].set(s.seen + q, rows[part].slice(at, at + D));
      // Heads that share rows choose the same tokens.
      const score = sharesRows(s.layer) ? alike[q]! : random.row(1)[0]!;
      s.layer.tables[h]!.columns.get('score')![firsts[h]! + q] = score;
      s.twin.score[h]!.set(s.seen + q, score);
    }
  });
  s.seen += count;
}

const sharesRows = ({ stores }: CacheLayer): boolean =>
  parts.some((part) => stores[part].some(({ encoding }) => encoding.joint));

function dropRandom(s: Subject, random: Seeded): void {
  if (sharesRows(s.layer)) {
    const positions = [...keptPositions(s.layer, 0)];
    const leaving = random.shuffled(positions).slice(0, random.whole(0, positions.length));
    s.layer.tables.forEach((table, h) => {
      for (const position of leaving) {
        forget(s.twin, h, position);
        evict(s.layer, h, table.position.subarray(0, table.count).indexOf(position));
      }
    });
    return;
  }
  s.layer.tables.forEach((table, h) => {
    const leaving = random.whole(0, table.count);
    for (let i = 0; i < leaving; i++) {
      const entry = random.whole(0, table.count - 1);
      forget(s.twin, h, table.position[entry]!);
      evict(s.layer, h, entry);
    }
  });
}

function forget(twin: Twin, h: number, position: number): void {
  twin.score[h]!.delete(position);
  for (const part of parts) twin.rows[h]![part].delete(position);
}

/** What a pass took away leaves the twin too; that nothing else changed is checked afterwards. */
async function keep(s: Subject, encoder: Encoder): Promise<void> {
  const now = { step: 1, seen: s.seen, promptLength: 24, seed: 3, facts: facts(s) };
  // Scores of what is held are computed anew by the pass; the others read the column.
  await keepPass(s.method, [s.layer], s.allocated, now, encoder, {
    event(e) {
      if (e.kind === 'leave' || e.kind === 'merge') forget(s.twin, e.kvHead, e.position);
    },
    written() {},
    merged: ({ kvHead, part, position, row }) => s.twin.rows[kvHead]![part].set(position, row),
  });
  const { score, compensate } = s.method.declaration;
  if (!scoredByPass(score) && !merges(compensate)) return;
  s.layer.tables.forEach((table, h) => {
    for (let e = 0; e < table.count; e++) s.twin.score[h]!.set(table.position[e]!, table.columns.get('score')![e]!);
  });
}

/** Tables, stores, columns, exact rows and bytes all say what the twin says. */
function check({ method, layer, twin }: Subject): void {
  checkTableAndStores(layer);
  const D = layer.shape.headSize;
  layer.tables.forEach((table, h) => {
    assert.deepEqual(
      [...keptPositions(layer, h)],
      [...twin.score[h]!.keys()].sort((a, b) => a - b),
    );
    for (let e = 0; e < table.count; e++) {
      if (table.zone.keys[e] === layer.shape.syntheticZone) continue;
      const position = table.position[e]!;
      assert.equal(table.columns.get('score')![e], twin.score[h]!.get(position), `score at ${position}`);
      for (const part of parts) {
        const store = layer.stores[part][table.store[part][e]!]!;
        if (store.encoding.bits !== 32) continue;
        const slot = table.slot[part][e]!;
        const row = store.codes.get('rows')![h]!.subarray(slot * D, (slot + 1) * D);
        assert.deepEqual([...row], [...twin.rows[h]![part].get(position)!], `${part} at ${position}`);
      }
    }
  });
  const { held, zones } = readLedger(method, [layer]);
  assert.equal(held, liveBytes([layer.tables, layer.stores]));
  assert.ok(Math.abs(zones.reduce((a, b) => a + b) - held) < 1e-6 * held + 1e-6);
}

describe('the cache of a layer', () => {
  let encoder: Encoder;
  before(async () => {
    runtime = await openRuntime('wasm', { threads: 1 });
    encoder = createEncoder(runtime);
  });
  after(() => runtime.release());

  for (const [i, { name, method }] of settings.entries())
    test(`keeps table, stores, columns, rows and bytes in step under random changes: ${name}`, async () => {
      for (const seed of [i, i + 100]) {
        const random = seeded(seed);
        let s = subject(method, random.whole(1, 4), 32);
        check(s);
        for (let change = 0; change < 14; change++) {
          const kind = random.whole(0, 9);
          if (kind <= 3) add(s, [0, 1, 1, 7, 33, 70][random.whole(0, 5)]!, random);
          else if (kind <= 6) await keep(s, encoder);
          else if (kind === 7) dropRandom(s, random);
          else if (kind === 8) compact(s.layer);
          else {
            const before = JSON.stringify(Array.from(s.layer.tables, (_, h) => [...keptPositions(s.layer, h)]));
            const left = s.layer;
            s = { ...s, layer: forkLayer(left) };
            const twin = structuredClone(s.twin);
            add(s, 3, random);
            dropRandom(s, random);
            assert.equal(JSON.stringify(left.tables.map((_, h) => [...keptPositions(left, h)])), before);
            check({ ...s, layer: left, twin });
          }
          check(s);
        }
      }
    });

  test('holds next to nothing before the first token and after the last entry left', async () => {
    for (const { method } of settings) {
      const s = subject(method, 3, 32);
      await keep(s, encoder);
      const stores = parts.flatMap((part) => s.layer.stores[part]);
      const empty = readLedger(method, [s.layer]).held - stores.reduce((n, store) => n + registerBytes(store), 0);
      assert.ok(empty <= 200, `${method.name} holds ${empty} bytes without entries`);
      add(s, 130, seeded(1));
      await keep(s, encoder);
      s.layer.tables.forEach((table, h) => {
        while (table.count) evict(s.layer, h, 0);
      });
      compact(s.layer);
      for (const part of parts)
        for (const { capacity } of s.layer.stores[part]) assert.ok(capacity.every((slots) => slots === 0));
      // Tables shrink in large steps, so that a head around a limit does not move its arrays again and again.
      assert.ok(s.layer.tables.every(({ position }) => position.length < 128));
    }
  });

  test('gives each head a buffer of its own where padding would waste memory, and one to all where not', () => {
    const ragged = settings.find(({ name }) => name === 'heads of 2, 12 and 100')!;
    const s = subject(ragged.method, 3, 32);
    add(s, 200, seeded(2));
    assert.equal(s.layer.stores.keys[0]!.apart, false);
    [198, 188, 100].forEach((count, h) => {
      for (let n = 0; n < count; n++) {
        forget(s.twin, h, s.layer.tables[h]!.position[0]!);
        evict(s.layer, h, 0);
      }
    });
    compact(s.layer);
    assert.equal(s.layer.stores.keys[0]!.apart, true);
    check(s);
    const capacity = [...s.layer.stores.keys[0]!.capacity];
    assert.ok(capacity[0]! <= 16 && capacity[1]! <= 16 && capacity[2]! <= 128, `capacities are ${capacity}`);
  });
});

test('batches that do not divide the step of slots lie whole in their store', async () => {
  const odd = method(
    'batches of 24',
    {},
    () => ({
      when: ['chunk'],
      score: nothing,
      allocate: everything,
      select: zones({ residual: remainder(24), body: rest }),
      compensate: nothing,
      encode: {
        body: {
          keys: quant({ bits: 4, group: 24, per: 'channel' }),
          values: quant({ bits: 4, group: 24, per: 'channel' }),
        },
      },
      place: oneTier,
      fetch: all,
      attend: rows(),
    }),
    { paper: '' },
  )();
  const own = await openRuntime('wasm', { threads: 1 });
  const encoder = createEncoder(own);
  const layer = createLayer(cacheShape(odd, 2, 8, []));
  append(
    layer,
    { keys: seeded(1).row(2 * 130 * 8), values: seeded(2).row(2 * 130 * 8) },
    Int32Array.from({ length: 130 }, (_, i) => i),
  );
  await keepPass(
    odd,
    [layer],
    allocateBudget(odd, 1, 2, 8, 130),
    { step: 0, seen: 130, promptLength: 130, seed: 0 },
    encoder,
  );
  for (const store of layer.stores.keys)
    for (const slots of store.capacity) assert.equal(slots % store.encoding.grain, 0);
  checkTableAndStores(layer);
  await own.release();
});
