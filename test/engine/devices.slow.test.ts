import { after, before, describe, test } from 'node:test';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { useSoftwareGraphics } from '../model/swiftshader.ts';
import { devicesAgree } from './laws/reading.ts';
import { onePerMethod } from './settings.ts';
import { loadTiny } from './tiny-model.ts';

useSoftwareGraphics();

describe('every method gives the same logits on wasm and on WebGPU, and keeps the same entries', () => {
  let wasm: Model;
  let webgpu: Model;
  before(async () => {
    wasm = await loadTiny('wasm');
    webgpu = await loadTiny('webgpu');
  });
  after(() => Promise.all([wasm.release(), webgpu.release()]));

  for (const setting of onePerMethod) test(setting.name, () => devicesAgree(wasm, webgpu, setting));
});
