/** Settings of the user: only what is one of the choices is taken over, and whoever listens hears of it. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  defaultPreferences,
  leastRestMs,
  onPreferences,
  preferences,
  setPreferences,
} from '../../lab-extension/src/preferences.ts';
import { translate, translateWith } from '../../lab-extension/src/translate.ts';

afterEach(() => {
  setPreferences(defaultPreferences);
  translateWith(undefined);
});

test('what is no choice leaves the setting as it was', () => {
  setPreferences({ colours: 'dark', depth: 'teacher', framesPerSecond: 8, reducedMotion: true });
  const before = preferences();
  setPreferences({ colours: 'pink', depth: 'god', framesPerSecond: Number.NaN, reducedMotion: 'yes' });
  setPreferences({ framesPerSecond: -3 });
  assert.deepEqual(preferences(), before);
  assert.deepEqual(before, { colours: 'dark', depth: 'teacher', framesPerSecond: 8, reducedMotion: true });
});

test('redraws rest as long as the pace asks, and half a second where motion is reduced', () => {
  for (const [settings, ms] of [
    [{ framesPerSecond: 10 }, 100],
    [{ framesPerSecond: 500 }, 1000 / 30],
    [{ framesPerSecond: 10, reducedMotion: true }, 500],
    [{ framesPerSecond: 1, reducedMotion: true }, 1000],
  ] as const) {
    setPreferences({ ...defaultPreferences, ...settings });
    assert.equal(leastRestMs(), ms, JSON.stringify(settings));
  }
});

test('a listener hears of changes until it stops', () => {
  let heard = 0;
  const stop = onPreferences(() => {
    heard += 1;
  });
  setPreferences({ depth: 'student' });
  stop();
  setPreferences({ depth: 'teacher' });
  assert.equal(heard, 1);
});

test('values stand where the language puts them', () => {
  assert.equal(translate('%1 of %2', 3, 'four'), '3 of four');
  translateWith({ __: (_, ...values) => `${values[1]} / ${values[0]}` });
  assert.equal(translate('%1 of %2', 3, 'four'), 'four / 3');
});
