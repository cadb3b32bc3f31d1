/** Amounts that change while a run writes: from the next step on the cache holds to them, and the run's log says so. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Method, methods } from '@kvlab/ops';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { decodeFrame, type Frame, type PanelMessage, type RunChange } from '../../kernel/src/engine/record/frame.ts';
import { type GenerateOptions, generate, type Run, type Stage } from '../../kernel/src/engine/run/run.ts';
import { loadTiny, tinyIds } from './tiny-model.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});

const prompt = tinyIds.slice(0, 40);
/** A page: it sees the frames, and what it says reaches the run. */
function page() {
  const listeners = new Set<(message: PanelMessage) => void>();
  const frames: Frame[] = [];
  const stage: Stage = {
    newId: () => 'run',
    now: () => 0,
    publish: (frame) => void frames.push(frame),
    onPanel(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const say = (message: PanelMessage) => listeners.forEach((listener) => void listener(message));
  return { frames, stage, say };
}
const write = (options: GenerateOptions, stage: Stage = page().stage) =>
  generate(model, prompt, { maxTokens: 12, seed: 1, ...options }, stage);
const heldBy = (run: Run) => Math.max(...[0, 1].map((layer) => run.kept(layer, 0).length));

/** What the log of a run says of changes. */
function changesOf(run: Run): RunChange[] {
  const { header, buffer } = run.snapshot();
  const columns = decodeFrame(header, buffer);
  const said = new TextDecoder().decode(Uint8Array.from(columns['change.said']!.data)).split('\0').slice(0, -1);
  return Array.from(columns['change.step']!.data, (step, i) => ({ step, ...JSON.parse(said[i]!) }));
}
/** Steps in which something left, and how many entries of the first head did. */
function leftAt(run: Run): Map<number, number> {
  const { header, buffer } = run.snapshot();
  const { 'event.step': at, 'event.to': to, 'event.layer': layer, 'event.kvHead': head } = decodeFrame(header, buffer);
  const left = new Map<number, number>();
  for (const [row, step] of at!.data.entries())
    if (to!.data[row] === 255 && layer!.data[row] === 0 && head!.data[row] === 0)
      left.set(step, (left.get(step) ?? 0) + 1);
  return left;
}

const fewer: readonly [name: string, method: Method, options: RunChange['options'], held: number][] = [
  ['H2O', methods.h2o({ entries: 30 }), { entries: 10 }, 10],
  ['StreamingLLM', methods.streamingLLM({ recent: 24 }), { recent: 6, sinks: 2 }, 8],
  ['TOVA', methods.tova({ entries: 30 }), { entries: 9 }, 9],
  ['SirLLM', methods.sirLLM({ heavy: 26, sinks: 2 }), { heavy: 8 }, 10],
];
for (const [name, method, options, held] of fewer)
  test(`${name} holds fewer entries from the step on from which its amounts are smaller, and not before`, async () => {
    const run = await write({ method, changes: [{ step: 5, options }] });
    assert.equal(heldBy(run), held);
    const without = await write({ method });
    assert.deepEqual([...run.ids.slice(0, 5)], [...without.ids.slice(0, 5)]);
    const [left, leftWithout] = [leftAt(run), leftAt(without)];
    for (let step = 0; step < 5; step++) assert.equal(left.get(step), leftWithout.get(step), `step ${step}`);
    assert.ok(left.get(5)! > (leftWithout.get(5) ?? 0) + 5, `${left.get(5)} left at step 5`);
    assert.deepEqual(changesOf(run), [{ step: 5, options }]);
  });

test('D2O reckons its amounts by layer once more, from the new budget', async () => {
  const run = await write({
    method: methods.d2o({ keep: 0.8, untouched: [] }),
    changes: [{ step: 3, options: { keep: 0.4 } }],
  });
  const sum = (of: Run) => of.kept(0, 0).length + of.kept(1, 0).length;
  assert.ok(sum(run) < sum(await write({ method: methods.d2o({ keep: 0.8, untouched: [] }) })));
});

test('with larger amounts the cache grows until it holds them', async () => {
  const run = await write({ method: methods.h2o({ entries: 10 }), changes: [{ step: 4, options: { entries: 16 } }] });
  assert.equal(heldBy(run), 16);
});

test('a finished run can be changed between two turns, and a fork goes its own way', async () => {
  const run = await write({ method: methods.h2o({ entries: 30 }) });
  const fork = run.fork();
  run.change({ entries: 10 });
  assert.equal(run.method.options.entries, 10);
  const [more, other] = [
    await run.continue('and then', { maxTokens: 4 }),
    await fork.continue('and then', { maxTokens: 4 }),
  ];
  assert.deepEqual([heldBy(more), heldBy(other)], [10, 30]);
  assert.deepEqual(changesOf(more), [{ step: 12, options: { entries: 10 } }]);
});

test('a panel changes a run that is held: the log has the change before the next step, and that step holds to it', async () => {
  const { stage, frames, say } = page();
  let asked = false;
  let told: Frame | undefined;
  stage.publish = (frame) => {
    frames.push(frame);
    if (frame.header.state !== 'paused') return;
    if (!asked) {
      asked = true;
      say({ type: 'control', run: 'run', action: 'change', options: { entries: 8 } });
    } else {
      told ??= frame;
      say({ type: 'control', run: 'run', action: 'continue' });
    }
  };
  const options: GenerateOptions = {
    method: methods.h2o({ entries: 30 }),
    onToken: ({ index }) => index === 2 && say({ type: 'control', run: 'run', action: 'pause' }),
  };
  const run = await write(options, stage);
  const [change] = changesOf(run);
  assert.deepEqual(change, { step: 4, options: { entries: 8 } });
  assert.ok(told!.header.columns.some(({ name }) => name === 'change.said') && told!.header.step === 3);
  assert.ok(leftAt(run).get(4)! > 15);
  assert.equal(heldBy(run), 8);
  const again = await write({ method: methods.h2o({ entries: 30 }), changes: changesOf(run) });
  assert.deepEqual([...again.ids], [...run.ids]);
});

test('a change that a panel may not ask for is refused in the log, and the run goes on as it was', async () => {
  const { stage, say } = page();
  const bad = [{ keep: 7 }, { profile: 'authors' }, { heads: 3 }, { recent: 'all' }];
  const run = await write(
    {
      method: methods.h2o({ entries: 30 }),
      onToken: ({ index }) => {
        if (index === 2) for (const options of bad) say({ type: 'control', run: 'run', action: 'change', options });
      },
    },
    stage,
  );
  const noted = changesOf(run);
  assert.deepEqual(
    noted.map(({ options }) => options),
    bad,
  );
  const says = [/keep is 7/, /profile cannot change/, /heads cannot change/, /recent is "all"/];
  for (const [i, { step, refused }] of noted.entries()) {
    assert.equal(step, 4);
    assert.match(refused!, says[i]!);
  }
  assert.deepEqual([...run.ids], [...(await write({ method: methods.h2o({ entries: 30 }) })).ids]);
});

const refused: readonly [what: string, options: GenerateOptions, says: RegExp][] = [
  [
    'a value that cannot be meant',
    { method: methods.h2o(), changes: [{ step: 3, options: { keep: -1 } }] },
    /keep is -1/,
  ],
  [
    'an option that may not change',
    { method: methods.kivi(), changes: [{ step: 3, options: { bits: 4 } }] },
    /bits cannot change/,
  ],
  [
    'steps out of their order',
    {
      method: methods.h2o(),
      changes: [
        { step: 3, options: { keep: 0.5 } },
        { step: 2, options: { keep: 0.4 } },
      ],
    },
    /step is 2 after 3/,
  ],
  [
    'the prompt as a step',
    { method: methods.h2o(), changes: [{ step: 0, options: { keep: 0.5 } }] },
    /step is 0 after 1/,
  ],
];
for (const [what, options, says] of refused)
  test(`generate refuses ${what} before it reads a token`, async () => {
    let read = 0;
    await assert.rejects(write({ ...options, onPrompt: () => read++ }), says);
    assert.equal(read, 0);
  });
