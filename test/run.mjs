/** `npm test`: sets everything up, runs every test with Node 24, ends with one line of totals. `--help` tells the rest. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stopCommands } from '../kernel/start/command.mjs';
import { describeError } from '../kernel/start/fault.mjs';
import { jupyterEnvironment } from '../kernel/start/jupyter-files.mjs';
import { node24 } from '../kernel/start/node24.mjs';
import { installPackages } from '../kernel/start/packages.mjs';
import { numberedSteps } from '../kernel/start/progress.mjs';
import { venvProgram } from '../kernel/start/python.mjs';
import { setUp, setUpSteps } from '../kernel/start/set-up.mjs';

const help = `npm test                     everything: checks, units, kernel, notebooks, browser
npm test -- ops test/model   only these areas, folders or files of test/
npm run check                types, lint, import arrows and the quick unit tests: under a minute
npm run bench                the figures of the engine; npm run bench:kernel, bench:methods and bench:encodings print the others
npm run bench -- --peers     with the peers, which it installs in a folder of their own`;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
let child;

/** What tests find in the environment: the model, the Python, and a software WebGPU when no other driver is named. */
function testEnvironment({ model, runtimeFolder }) {
  return {
    ...process.env,
    ...jupyterEnvironment(root),
    ...(model && { KVLAB_MODEL: model }),
    KVLAB_PYTHON: venvProgram(root, 'python'),
    XDG_RUNTIME_DIR: runtimeFolder,
    ...(!process.env.VK_ICD_FILENAMES && existsSync(swiftShader) && { VK_ICD_FILENAMES: swiftShader }),
  };
}

function runNode(node, args, env) {
  return new Promise((resolve) => {
    child = spawn(node, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function prepare({ quick, steps }) {
  if (quick) {
    const step = numberedSteps(1);
    await step('npm packages', (say) => installPackages(root, say));
    return { node: node24(root) };
  }
  let failedBuild;
  const ready = await setUp(root, numberedSteps(steps), {
    requirements: ['kernel/start/requirements.txt', 'test/requirements.txt'],
    onBuildFailure: (error) => {
      failedBuild = describeError(error);
      return 'the build failed: what needs it will fail too';
    },
  });
  return { ...ready, failedBuild };
}

async function runBench(node, args, env) {
  const folder = join(root, 'test', 'bench');
  const tables = (existsSync(folder) ? readdirSync(folder) : [])
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.replace(/\.ts$/, ''))
    .sort();
  // Tables come first; what follows is said to them.
  const other = args.findIndex((arg) => !tables.includes(arg));
  const names = other < 0 ? args : args.slice(0, other);
  const options = other < 0 ? [] : args.slice(other);
  const chosen = names.length === 0 && options.every((arg) => arg.startsWith('-')) ? tables : names;
  if (chosen.length === 0) {
    console.log(
      `npm run bench: no table named ${options.join(', ')} in test/bench. There are: ${tables.join(', ') || 'none'}.`,
    );
    return 1;
  }
  let worst = 0;
  for (const name of chosen) {
    console.log(`\n${name}`);
    const file = join(folder, `${name}.ts`);
    worst = Math.max(worst, await runNode(node, ['--conditions=kvlab-source', file, ...options], env));
  }
  return worst;
}

async function main() {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(help);
    return 0;
  }
  const quick = args[0] === '--check';
  const bench = args[0] === '--bench';
  const rest = quick || bench ? args.slice(1) : args;
  const unknown = rest.find((arg) => arg.startsWith('-') && !bench);
  if (unknown) {
    console.log(`npm test: there is no option ${unknown}.\n\n${help}`);
    return 1;
  }
  const runtimeFolder = mkdtempSync(join(tmpdir(), 'kvlab-test-'));
  try {
    const ready = await prepare({ quick, steps: setUpSteps });
    const env = testEnvironment({ ...ready, runtimeFolder });
    if (bench) return await runBench(ready.node, rest, env);
    const request = JSON.stringify({ wanted: rest, quick, failedBuild: ready.failedBuild });
    return await runNode(ready.node, [join(root, 'test', 'session.mjs'), request], env);
  } catch (error) {
    console.log(`\n${describeError(error)}\n`);
    if (!bench) console.log('0 passed, 1 failed');
    return 1;
  } finally {
    rmSync(runtimeFolder, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopCommands();
    child?.kill('SIGTERM');
  });
}
process.exitCode = await main();
