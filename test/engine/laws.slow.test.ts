import { after, before, describe, test } from 'node:test';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { chunkLaw, forkLaw, replayLaw, watchingLaw } from './laws/history.ts';
import { budgetLaw, byteLaw, downLaw, partitionLaw } from './laws/holding.ts';
import { formLaw, fullFetchLaw, neutralLaw, paddingLaw, positionLaw, setLaw, splitLaw } from './laws/reading.ts';
import { settings } from './settings.ts';
import { loadTiny } from './tiny-model.ts';

const laws = [
  neutralLaw,
  partitionLaw,
  budgetLaw,
  setLaw,
  positionLaw,
  formLaw,
  fullFetchLaw,
  downLaw,
  byteLaw,
  chunkLaw,
  splitLaw,
  paddingLaw,
  watchingLaw,
  replayLaw,
  forkLaw,
];

describe('laws that every method keeps', () => {
  let model: Model;
  before(async () => {
    model = await loadTiny('wasm');
  });
  after(() => model.release());

  for (const law of laws)
    describe(`law ${law.number}: ${law.sentence}`, () => {
      for (const setting of settings.filter((s) => law.concerns?.(s) ?? true))
        test(`${law.number}. ${setting.name}`, () => law.check(model, setting));
    });
});
