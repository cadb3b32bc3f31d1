/** What an encoding costs in time and saves in bytes: every method that stores rows in few bits beside exact rows.
 *
 *  `npm run bench:encodings` times steps at 512 and at 2,048 entries, in turns with the full cache of the same length. None
 *  of them evicts. */
import { type Method, type MethodFactory, methods } from '@kvlab/ops';
import { readLedger } from '../../kernel/src/engine/cache/ledger.ts';
import { fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import { loadModel } from '../../kernel/src/engine/model/load.ts';
import {
  createSequence,
  feedPrompt,
  feedToken,
  forkSequence,
  type Sequence,
} from '../../kernel/src/engine/run/sequence.ts';
import { modelFile } from '../../kernel/src/model-file.ts';
import { story } from './report/story.ts';
import { median, printTable } from './report/table.ts';

const contexts = [512, 2048];
const rounds = 6;
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

const makers = Object.values(methods) as unknown as MethodFactory<object>[];
const packing = makers.map((make) => make()).filter(packs);

async function time(sequence: Sequence, times: number[]): Promise<void> {
  for (let i = 0; i < inTurn; i++) {
    const start = performance.now();
    await feedToken(sequence, ids[sequence.ids.length]!);
    times.push(performance.now() - start);
  }
}

const MiB = (bytes: number): number => bytes / 2 ** 20;
const rows: (string | number)[][] = [];
for (const context of contexts) {
  const full = createSequence(model, methods.full());
  await feedPrompt(full, ids.slice(0, context));
  for (const method of packing) {
    const sequence = createSequence(model, method, 0, await fittedFor(model, method, {}));
    await feedPrompt(sequence, ids.slice(0, context));
    const beside = forkSequence(full);
    const [own, exact]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      await time(sequence, own);
      await time(beside, exact);
    }
    const { held, claimed } = readLedger(method, sequence.layers);
    const heldFull = readLedger(beside.method, beside.layers).held;
    rows.push([
      method.name,
      context,
      median(own)!,
      median(own)! / median(exact)!,
      MiB(held),
      held / heldFull,
      MiB(claimed),
    ]);
    console.error(`${method.name} at ${context}: ${median(own)!.toFixed(1)} ms, exact ${median(exact)!.toFixed(1)} ms`);
  }
}
printTable(['method', 'entries', 'ms a token', 'of exact', 'MiB held', 'of exact', 'MiB claimed'], rows);
await model.release();
process.exit(0);
