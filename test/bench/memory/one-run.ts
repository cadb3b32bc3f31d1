/** Loads the model, reads a prompt, writes a few tokens with everything recorded, and prints its resident memory in MB. */

import { methods } from '@kvlab/ops';
import { loadModel } from '../../../kernel/src/engine/model/load.ts';
import { createRecorder } from '../../../kernel/src/engine/record/recorder.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { modelFile } from '../../../kernel/src/model-file.ts';
import { benchIds, benchInfo } from '../report/prompt.ts';

const tokens = Number(process.argv[2]);
const model = await loadModel(modelFile(), { device: 'wasm' });
const loaded = process.memoryUsage().rss;
const sequence = createSequence(model, methods.full());
const recorder = createRecorder(sequence, benchInfo(methods.full(), tokens));
const ids = benchIds(tokens + 16, model.config.vocabulary);
await feedPrompt(sequence, ids.slice(0, tokens), { observer: recorder });
for (const id of ids.slice(tokens)) {
  await feedToken(sequence, id, { observer: recorder });
  recorder.step(0);
}
console.log(JSON.stringify({ loadedMb: loaded / 1e6, peakMb: process.resourceUsage().maxRSS / 1e3 }));
process.exit(0);
