import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cellOf, execute, type Notebook, numbersOf, printed, savedRuns } from './executed.ts';

let lesson: Notebook;
before(async () => {
  lesson = await execute('01-what-the-cache-holds.ipynb');
});

test('lesson 1 counts in the buffers the bytes per token that it computed', () => {
  const formula = numbersOf(lesson, 'bytes-per-token', /= (?<bytes>\d+) bytes per token/);
  const counted = numbersOf(
    lesson,
    'bytes-per-token',
    /buffers: (?<payload>\d+) bytes for (?<tokens>\d+) tokens, (?<each>\d+) per token/,
  );
  assert.equal(formula['bytes'], 46_080, 'SmolLM2-135M in 32-bit floats');
  assert.equal(counted['each'], 46_080);
  assert.equal(counted['payload'], counted['tokens']! * 46_080);
});

test('lesson 1 sees attention gather on token 0 from the middle layers on', () => {
  const rows = [...printed(cellOf(lesson, 'sinks')).matchAll(/^ *(\d+) {2}(\d\.\d\d)/gm)];
  const shares = rows.map((row) => Number(row[2]));
  assert.equal(shares.length, 30);
  const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  assert.ok(mean(shares.slice(0, 12)) < 0.1, 'the first twelve layers');
  assert.ok(mean(shares.slice(12)) > 0.3, 'the others');
  const received = [...printed(cellOf(lesson, 'sink-tokens')).matchAll(/receives (\d+\.\d) %/g)].map((m) =>
    Number(m[1]),
  );
  assert.ok(received[0]! > 20 && received.slice(1).every((share) => share < 2), received.join());
});

test('lesson 1 keeps a fifth of the prompt with H2O, and the answer changes', () => {
  const { budget, prompt } = numbersOf(lesson, 'h2o-run', /budget: (?<budget>\d+) of (?<prompt>\d+) entries/) as {
    budget: number;
    prompt: number;
  };
  assert.ok(prompt >= 300, 'a prompt of at least 300 tokens');
  assert.equal(budget, Math.ceil(prompt * 0.2));
  const { payload } = numbersOf(lesson, 'lost', /payload: (?<payload>\d+) bytes/);
  assert.equal(payload, budget * 46_080);
  const answers = /^full cache: (?<full>.*)\nH2O: +(?<h2o>.*)$/m.exec(printed(cellOf(lesson, 'lost')))!.groups!;
  assert.match(answers['full']!, /eleven/);
  assert.doesNotMatch(answers['h2o']!, /eleven/);
});

test('lesson 1 leaves both finished runs in its outputs', () => {
  const [full, h2o] = ['full-run', 'h2o-run'].map((id) => savedRuns(cellOf(lesson, id)));
  assert.deepEqual(
    full!.map(({ header }) => [header.info.method.name, header.state]),
    [['full', 'finished']],
  );
  assert.deepEqual(
    h2o!.map(({ header }) => [header.info.method.name, header.state]),
    [['H2O', 'finished']],
  );
  assert.ok(full![0]!.header.info.promptLength >= 300);
});
