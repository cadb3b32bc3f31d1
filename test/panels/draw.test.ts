/** Colours, ticks, cells and words: what every drawing is made of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitCells } from '../../lab-extension/src/draw/cells.ts';
import { indexTicks, roundAbove, roundTicks, whole } from '../../lab-extension/src/draw/scale.ts';
import { contrast, inkOnRamp, rgb, themeOf } from '../../lab-extension/src/draw/theme.ts';
import { placeWords, quoted } from '../../lab-extension/src/draw/words.ts';
import { seeded } from './recorded-run.ts';

const themes = (['light', 'dark', 'contrast'] as const).map((name) => themeOf(name, '', 'sans-serif', 'monospace'));

for (const theme of themes) {
  test(`text can be read on paper and on every colour of the ramp (${theme.name})`, () => {
    for (const ink of [theme.ink, theme.ink2, theme.ink3]) assert.ok(contrast(rgb(theme.paper), rgb(ink)) >= 4.5);
    for (let i = 0; i < 256; i++) {
      const word = theme.ramp[i]!;
      const ground = [word & 255, (word >> 8) & 255, (word >> 16) & 255];
      assert.ok(contrast(ground, rgb(inkOnRamp(theme, i))) >= 4, `colour ${i}`);
    }
  });

  test(`zero is paper and more is always further from it (${theme.name})`, () => {
    const away = Array.from(theme.ramp, (word) =>
      contrast(rgb(theme.paper), [word & 255, (word >> 8) & 255, (word >> 16) & 255]),
    );
    assert.equal(away[0], 1);
    for (let i = 1; i < 256; i++) assert.ok(away[i]! >= away[i - 1]! - 1e-9, `colour ${i}`);
  });

  test(`hues of zones stand out from paper, fresh rows aside (${theme.name})`, () => {
    for (const tone of ['sinks', 'heavy', 'recent', 'body'] as const)
      assert.ok(contrast(rgb(theme.paper), rgb(theme.tones[tone])) >= 3, tone);
  });
}

test('cells are whole pixels, at least two, and together never wider than their room', () => {
  const random = seeded(5);
  for (let i = 0; i < 500; i++) {
    const items = 1 + Math.floor(random() * 4000);
    const room = 20 + Math.floor(random() * 1500);
    const { bin, count, pixels } = fitCells(items, room);
    assert.ok(Number.isInteger(pixels) && pixels >= 2, `${items} items in ${room} give ${pixels}`);
    assert.ok(count * pixels <= room, `${items} items in ${room} pixels`);
    assert.ok(bin * count >= items && bin * (count - 1) < items, `${items} items in ${count} cells of ${bin}`);
  }
});

test('ticks are round, lie inside, and are three to seven', () => {
  const random = seeded(6);
  for (let i = 0; i < 500; i++) {
    const high = 10 ** (random() * 4) + 3;
    const ticks = roundTicks([0, high]);
    assert.ok(ticks.length >= 3 && ticks.length <= 7, `${high}: ${ticks}`);
    assert.ok(ticks.every((tick) => tick >= 0 && tick <= high * (1 + 1e-9)));
    assert.ok(roundAbove(high) >= high);
  }
});

test('the last layer is always labelled and no label touches it', () => {
  assert.deepEqual(indexTicks(30, 5), [0, 5, 10, 15, 20, 25, 29]);
  assert.deepEqual(indexTicks(32, 10), [0, 10, 20, 31]);
  assert.deepEqual(indexTicks(2, 5), [0, 1]);
});

test('words are placed by weight, never touch, and none is placed twice', () => {
  const random = seeded(7);
  const widthOf = (text: string) => text.length * 6;
  for (let round = 0; round < 50; round++) {
    const candidates = Array.from({ length: 120 }, (_, position) => ({
      position,
      text: `word${Math.floor(random() * 60)}`,
      weight: random(),
    }));
    const placed = placeWords(candidates, (position) => 10 + position * 4, widthOf, [0, 500]);
    assert.equal(new Set(placed.map((word) => word.text)).size, placed.length);
    const best = candidates.reduce((a, b) => (b.weight > a.weight ? b : a));
    assert.ok(placed.some((word) => word.position === best.position));
    for (const a of placed)
      for (const b of placed)
        if (a !== b && a.tier === b.tier)
          assert.ok(
            Math.abs(a.centre - b.centre) >= (widthOf(a.text) + widthOf(b.text)) / 2,
            `${a.text} and ${b.text}`,
          );
  }
});

test('tokens in sentences show their white space, and large numbers have commas', () => {
  assert.equal(quoted(3, ' boat'), '3 ‘boat’');
  assert.equal(quoted(4, '\n'), '4 ‘↵’');
  assert.equal(quoted(5, '  '), '5 ‘␣␣’');
  assert.equal(whole(1234567), '1,234,567');
});
