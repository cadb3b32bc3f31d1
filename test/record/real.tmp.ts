import { writeFileSync } from 'node:fs';
import { lab, methods } from 'kvlab';
import { bundleMime } from 'kvlab/frame';
import { openRun, saveRun } from '../../kernel/src/engine/record/arrow.ts';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { promptTexts } from '../panels/recorded-text.ts';

const model = await lab.load();
const text = promptTexts()
  .filter((t) => !t.special && !t.bytes)
  .map((t) => t.text)
  .join('');
const prompt = text + text + ' The captain said:';
for (const [name, method] of [
  ['h2o', methods.h2o({ keep: 0.2 })],
  ['kivi', methods.kivi({ bits: 2 })],
  ['full', methods.full()],
] as const) {
  const run = await lab.generate(model, prompt, {
    method,
    maxTokens: 80,
    sampler: { temperature: 0.7 },
    seed: 1,
  } as never);
  const s = run.snapshot();
  const t = performance.now();
  const { bundle } = await runBundle(s);
  console.log(
    name,
    (performance.now() - t).toFixed(0),
    'ms',
    s.buffer.byteLength,
    'snapshot',
    JSON.stringify(bundle[bundleMime]).length,
    (bundle['image/png'] as string).length,
  );
  console.log(bundle['text/plain']);
  writeFileSync(`/tmp/real-${name}.png`, Buffer.from(bundle['image/png'] as string, 'base64'));
  const bytes = saveRun(s);
  const same = Buffer.from(openRun(bytes).buffer).equals(Buffer.from(s.buffer));
  console.log('arrow', bytes.length, same);
  if (name === 'h2o') writeFileSync('/tmp/real-h2o.arrow', bytes);
  for (const n of ['bytes', 'attention', 'events', 'quantization', 'tokens'] as const) {
    try {
      console.log(n, ((await run.table(n)) as any).numRows());
    } catch (e) {
      console.log(n, (e as Error).message);
    }
  }
}
await model.release();
process.exit(0);
