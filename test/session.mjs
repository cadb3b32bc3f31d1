/** Runs the stages under Node 24, one after another, and ends with the ten slowest tests and one line of totals. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { plan } from './stages.mjs';
import { describeFailure, newTally, slowest, totals } from './tally.mjs';

const root = join(import.meta.dirname, '..');

function printOutcome(test) {
  const file = test.file ? ` (${relative(root, test.file)})` : '';
  if (test.outcome === 'passed')
    console.log(`  ok      ${test.name}${test.ms > 1000 ? `  ${(test.ms / 1000).toFixed(1)} s` : ''}`);
  if (test.outcome === 'skipped') console.log(`  skipped ${test.name}: ${test.why}`);
  if (test.outcome === 'failed') {
    console.log(`  FAILED  ${test.name}${file}`);
    console.log(describeFailure(test.why).replaceAll(/^/gm, '          '));
  }
}

async function runStage(stage, tally, signal) {
  console.log(`\n${stage.name}: ${stage.files.length} ${stage.files.length === 1 ? 'file' : 'files'}`);
  const start = performance.now();
  const events = run({
    files: stage.files,
    concurrency: stage.concurrency,
    execArgv: ['--conditions=kvlab-source', '--disable-warning=ExperimentalWarning'],
    timeout: stage.minutes * 60_000,
    signal,
  });
  for await (const event of events) {
    const test = tally.take(event);
    if (test) printOutcome(test);
    if (event.type === 'test:stderr' || event.type === 'test:stdout') process.stdout.write(event.data.message);
  }
  console.log(`${stage.name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

const { wanted, quick, failedBuild } = JSON.parse(process.argv[2] ?? '{}');
const allowedSkips = JSON.parse(readFileSync(join(import.meta.dirname, 'allowed-skips.json'), 'utf8'));
const tally = newTally(allowedSkips);
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());

if (failedBuild) {
  const test = { name: 'The packages build', ms: 0, outcome: 'failed', why: failedBuild };
  tally.tests.push(test);
  printOutcome(test);
}
const stages = plan(root, { wanted, quick });
for (const stage of stages) if (!stop.signal.aborted) await runStage(stage, tally, stop.signal);
if (stages.length === 0) {
  tally.tests.push({ name: 'test files', ms: 0, outcome: 'failed', why: '' });
  console.log(
    `npm test: no test file matches ${wanted.join(', ') || 'test/'}. Give a file, a folder or an area of test/.`,
  );
}
if (stop.signal.aborted) console.log('\nstopped before the end');
console.log(`\nThe ten slowest:\n${slowest(tally.tests).join('\n')}\n`);
console.log(totals(tally.tests));
process.exit(stop.signal.aborted || tally.tests.some((test) => test.outcome === 'failed') ? 1 : 0);
