/** What an encoding costs in time and saves in bytes: every method that stores rows in few bits beside exact rows.
 *
 *  `npm run bench:encodings` times steps at 512 and at 2,048 entries, in turns with the full cache of the same length;
 *  `npm run bench:encodings -- kivi gear` those of these methods only. None of them evicts. */
import { type Method, type MethodFactory, methods } from '@kvlab/ops';
import { readLedger } from '../../kernel/src/engine/cache/ledger.ts';
import { fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import { loadModel } from '../../kernel/src/engine/model/load.ts';
import { createSequence, forkSequence, type Sequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { modelFile } from '../../kernel/src/model-file.ts';
import { story } from './report/story.ts';
import { median, tableLines } from './report/table.ts';

const contexts = [512, 2048];
const rounds = 4;
const inTurn = 4;

const model = await loadModel(modelFile(), { device: 'wasm' });
const ids = Array.from(model.tokenizer.encode(story).ids);

function packs(method: Method): boolean {
  return method.zones.some((zone) =>
    (['keys', 'values'] as const).some((part) => {
      const { codes } = method.encodingOf(zone, part);
      return Object.values(codes).some(({ type }) => type === 'u8');
    }),
  );
}

const asked = process.argv.slice(2);
const makers = Object.entries(methods as unknown as Record<string, MethodFactory<object>>);
const packing = makers
  .filter(([name]) => asked.length === 0 || asked.includes(name))
  .map(([, make]) => make())
  .filter(packs);

async function time(sequence: Sequence, times: number[]): Promise<void> {
  for (let i = 0; i < inTurn; i++) {
    const start = performance.now();
    await feedToken(sequence, ids[sequence.ids.length]!);
    times.push(performance.now() - start);
  }
}

const MiB = (bytes: number): number => bytes / 2 ** 20;
const full = createSequence(model, methods.full());
const beforeSteps = new Map<number, Sequence>();
for (const context of contexts) {
  await feedPrompt(full, ids.slice(full.ids.length, context));
  beforeSteps.set(context, forkSequence(full));
}
const columns = ['method', 'entries', 'ms a token', 'of exact', 'MiB held', 'of exact', 'MiB claimed'];
console.log(tableLines(columns, []).join('\n'));
for (const method of packing) {
  const sequence = createSequence(model, method, 0, await fittedFor(model, method, {}));
  // The longer text goes on where the shorter one was timed, so that its beginning is not read twice.
  for (const context of contexts) {
    await feedPrompt(sequence, ids.slice(sequence.ids.length, context));
    const beside = forkSequence(beforeSteps.get(context)!);
    const [own, exact]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      await time(sequence, own);
      await time(beside, exact);
    }
    const { held, claimed } = readLedger(method, sequence.layers);
    const heldFull = readLedger(beside.method, beside.layers).held;
    const [ms, exactMs] = [median(own)!, median(exact)!];
    const row = [method.name, context, ms, ms / exactMs, MiB(held), held / heldFull, MiB(claimed)];
    console.log(tableLines(columns, [row]).at(-1));
  }
}
await model.release();
process.exit(0);
