/** What the engine costs: decode, prefill, first token, memory, recording and sending, each beside a peer in the same run.
 *
 *  Absolute figures swing with the machine; ratios of one interleaved run are what to quote. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type Method, methods } from '@kvlab/ops';
import { loadModel } from '../../kernel/src/engine/model/load.ts';
import { createRecorder, type Recorder } from '../../kernel/src/engine/record/recorder.ts';
import { createSequence, type Sequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { modelFile } from '../../kernel/src/model-file.ts';
import { askPeer, peerPython, wantsPeers } from './report/peers.ts';
import { benchIds, benchInfo } from './report/prompt.ts';
import { median, printTable } from './report/table.ts';

const rounds = 12;
const perRound = 6;
const here = import.meta.dirname;

interface Lane {
  name: string;
  context: number;
  sequence: Sequence;
  recorder: Recorder;
  prefillMs: number;
  /** Milliseconds of each step, by what was watched. */
  ms: Record<'recorded' | 'bare' | 'sent', number[]>;
}

const started = performance.now();
const model = await loadModel(modelFile(), { device: 'wasm' });
const loadMs = performance.now() - started;
const ids = benchIds(4096, model.config.vocabulary);

async function lane(name: string, method: Method, context: number): Promise<Lane> {
  const sequence = createSequence(model, method);
  const recorder = createRecorder(sequence, benchInfo(method, context));
  const start = performance.now();
  await feedPrompt(sequence, ids.slice(0, context), { observer: recorder });
  const prefillMs = performance.now() - start;
  recorder.step(prefillMs);
  return { name, context, sequence, recorder, prefillMs, ms: { recorded: [], bare: [], sent: [] } };
}

/** A few steps of one lane; `sent` also packs the frame and copies it as a message between processes would be. */
async function run(l: Lane, how: keyof Lane['ms']): Promise<void> {
  for (let i = 0; i < perRound; i++) {
    const id = ids[2048 + ((l.sequence.ids.length + i) % 2000)]!;
    const start = performance.now();
    await feedToken(l.sequence, id, how === 'bare' ? {} : { observer: l.recorder });
    if (how !== 'bare') l.recorder.step(0);
    if (how === 'sent') structuredClone(l.recorder.frame('running'));
    // The first step after another lane is slower than a run that goes on.
    if (i > 0) l.ms[how].push(performance.now() - start);
  }
}

const lanes = [
  await lane('full', methods.full(), 128),
  await lane('full', methods.full(), 512),
  await lane('full', methods.full(), 2048),
  await lane('H2O 20 %', methods.h2o({ keep: 0.2 }), 2048),
  await lane('KIVI 2 bits', methods.kivi(), 2048),
];
for (const l of lanes) await run(l, 'recorded');
for (const l of lanes) l.ms.recorded = [];
const ways = ['recorded', 'bare', 'sent'] as const;
for (let round = 0; round < rounds; round++)
  // Each way comes first, second and last equally often: steps after a change of lane are slower than those that follow.
  for (const l of lanes)
    if (l.name === 'full' && l.context !== 512) for (let i = 0; i < 3; i++) await run(l, ways[(round + i) % 3]!);
    else await run(l, 'recorded');

const first = lanes[0]!;
const speed = (l: Lane) => 1000 / median(l.ms.recorded)!;
printTable(
  [
    'decode, all attention rows recorded',
    'context',
    'ms a token (median)',
    'tokens/s',
    'prefill tokens/s',
    'against full at 128',
  ],
  lanes.map((l) => [
    l.name,
    l.context,
    median(l.ms.recorded),
    speed(l),
    l.context / (l.prefillMs / 1000),
    speed(l) / speed(first),
  ]),
);
console.log();
printTable(
  ['ratio of this run', 'measured', 'wanted'],
  [
    ['H2O 20 % against the full cache at 2048', speed(lanes[3]!) / speed(lanes[2]!), 'at least 1.3'],
    ['decode at 2048 against 128', speed(lanes[2]!) / speed(first), 'at least 0.55'],
    ...[first, lanes[2]!].flatMap((l): [string, number, string][] => [
      [
        `recording at ${l.context}, share of decode time`,
        median(l.ms.recorded)! / median(l.ms.bare)! - 1,
        'at most 0.15 with sending',
      ],
      [`recording and sending frames at ${l.context}`, median(l.ms.sent)! / median(l.ms.bare)! - 1, 'at most 0.15'],
    ]),
  ],
);
const memory = spawnSync(process.execPath, ['--conditions=kvlab-source', join(here, 'memory/one-run.ts'), '2048'], {
  encoding: 'utf8',
});
const { loadedMb, peakMb } = JSON.parse(memory.stdout.trim().split('\n').at(-1)!) as {
  loadedMb: number;
  peakMb: number;
};
console.log();
printTable(
  ['figure', 'value', 'unit'],
  [
    ['loading', loadMs / 1000, 's'],
    ['first token after a prompt of 128', first.prefillMs + median(first.ms.recorded)!, 'ms'],
    ['resident after loading, plain script', loadedMb, 'MB'],
    ['peak resident at 2048, plain script (wanted: at most 1250)', peakMb, 'MB'],
    ['threads', model.runtime.threads, ''],
  ],
);
if (wantsPeers()) {
  const python = await peerPython();
  const rows: [string, number, number][] = [];
  for (let round = 0; round < 3; round++) {
    const peer = askPeer<{ msPerToken: number }>(python, join(here, 'report/transformers-eager.py'), [
      modelFile(),
      '128',
      '24',
    ]);
    first.ms.recorded = [];
    for (let i = 0; i < 6; i++) await run(first, 'recorded');
    rows.push([`round ${round + 1}`, median(first.ms.recorded)!, peer.msPerToken]);
  }
  console.log();
  printTable(
    [
      'beside transformers eager f32 with attentions, context 128',
      'kvlab ms',
      'transformers ms',
      'times as fast (wanted: 1.8)',
    ],
    rows.map(([name, ours, theirs]) => [name, ours, theirs, theirs / ours]),
  );
}
await model.release();
process.exit(0);
