/** The fixture model of these tests, and the tokens that they feed it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadModel, type Model } from '../../kernel/src/engine/model/load.ts';

const folder = new URL('../../fixtures/tiny/', import.meta.url);
export const tinyPath = fileURLToPath(new URL('tiny.gguf', folder));
/** 258 ids of the text that it was trained on; none of them ends a text. */
export const tinyIds: readonly number[] = JSON.parse(readFileSync(new URL('reference.json', folder), 'utf8')).ids;

/** One thread: its products are too small to share, and threads that wait spin. */
export const loadTiny = (device: 'wasm' | 'webgpu'): Promise<Model> => loadModel(tinyPath, { device, threads: 1 });
