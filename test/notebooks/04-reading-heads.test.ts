import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cellOf, execute, type Notebook, numbersOf, printed, savedRuns } from './executed.ts';

let lesson: Notebook;
before(async () => {
  lesson = await execute('04-reading-heads.ipynb');
});

test('lesson 4 opens with a recorded run, before any model is loaded', () => {
  const [run] = savedRuns(cellOf(lesson, 'recorded'));
  assert.deepEqual([run!.header.info.method.name, run!.header.state], ['H2O', 'finished']);
  const shares = [...printed(cellOf(lesson, 'recorded-sinks')).matchAll(/: (\d+) % of heads/g)].map((m) =>
    Number(m[1]),
  );
  assert.equal(shares.length, 3);
  assert.ok(shares[0]! < 10 && shares[1]! > 30 && shares[2]! > 30, shares.join());
});

test('lesson 4 finds the sink and the few tokens that hold most of a row', () => {
  const [first, second] = [...printed(cellOf(lesson, 'favourites')).matchAll(/^ *(\d+) ".*" +([\d.]+) %$/gm)];
  assert.equal(first![1], '0');
  assert.ok(Number(first![2]) > 3 * Number(second![2]));
  const { share } = numbersOf(lesson, 'favourites', /hold (?<share>\d+) % of what a head gives/);
  assert.ok(share! > 60);
});

test('lesson 4 finds heads that fetch the password, in the second half of the model, and again for another word', () => {
  const rows = [...printed(cellOf(lesson, 'retrieval')).matchAll(/^layer (\d+) head (\d): (\d+) % on the word/gm)];
  assert.equal(rows.length, 6);
  assert.ok(
    rows.every((row) => Number(row[1]) >= 15),
    'in the second half',
  );
  assert.ok(Number(rows[0]![3]) > 80);
  const { many, few } = numbersOf(
    lesson,
    'retrieval',
    /(?<many>\d+) of 270 heads put more than half .* (?<few>\d+) put less than 1 %/,
  );
  assert.ok(many! >= 3 && many! <= 20 && few! > 180, `${many} and ${few}`);
  const { both } = numbersOf(lesson, 'other', /most, (?<both>\d+) were among the ten/);
  assert.ok(both! >= 5);
});

test('lesson 4 sees H2O lose the word in the heads that fetched it', () => {
  const { kept, of, all } = numbersOf(
    lesson,
    'budget',
    /kept for (?<kept>\d+) of the (?<of>\d+) heads that fetched it, and for (?<all>\d+) of all 270/,
  );
  assert.ok(kept! < of! / 2 && all! < 60, `${kept} of ${of}, ${all} of all`);
});
