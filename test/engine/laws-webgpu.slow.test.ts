import { after, before, describe, test } from 'node:test';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { useSoftwareGraphics } from '../model/swiftshader.ts';
import { formLaw, neutralLaw, paddingLaw, setLaw } from './laws/reading.ts';
import { onePerMethod } from './settings.ts';
import { loadTiny } from './tiny-model.ts';

useSoftwareGraphics();

/** Laws about numbers; the others are about tables, which JavaScript owns on both devices. */
const laws = [neutralLaw, setLaw, formLaw, paddingLaw];

/** One setting for each form of graph: every other method reads and scores through one of these. */
const forms = ['full', 'StreamingLLM', 'SnapKV', 'KIVI', 'ragged', 'packed below heavy', 'crumbling values'];

describe('laws that every method keeps on WebGPU', () => {
  let webgpu: Model;
  before(async () => {
    webgpu = await loadTiny('webgpu');
  });
  after(() => webgpu.release());

  for (const law of laws)
    describe(`law ${law.number}: ${law.sentence}`, () => {
      for (const setting of onePerMethod.filter((s) => forms.includes(s.method.name) && (law.concerns?.(s) ?? true)))
        test(`${law.number} on WebGPU. ${setting.name}`, () => law.check(webgpu, setting));
    });
});
