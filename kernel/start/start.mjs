/** `npm start`: sets up what is missing and opens JupyterLab on the first lesson. Runs on Node 20 with nothing installed. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stopCommands } from './command.mjs';
import { describeError } from './fault.mjs';
import { help, readFlags } from './flags.mjs';
import { choosePort, startJupyterLab } from './jupyter-lab.mjs';
import { numberedSteps } from './progress.mjs';
import { setUp, setUpSteps } from './set-up.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
let jupyter;
let stopping = false;

async function stopEverything() {
  if (stopping) return;
  stopping = true;
  console.log('\nShutting down JupyterLab and its kernels');
  stopCommands();
  await jupyter?.stop();
  console.log('Everything has ended.');
  // 130 is what shells report for Ctrl-C: a set-up that was cut short is no success.
  process.exit(jupyter ? 0 : 130);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stopEverything);

async function main() {
  const flags = readFlags(process.argv.slice(2), process.env.INIT_CWD);
  if (flags.help) {
    console.log(help);
    return 0;
  }
  const port = await choosePort(flags.port);
  const step = numberedSteps(setUpSteps + 1);
  await setUp(root, step, { requirements: ['kernel/start/requirements.txt'], model: flags.model });
  let page;
  await step('JupyterLab', async () => {
    jupyter = startJupyterLab(root, { port, browser: flags.browser });
    page = await jupyter.ready;
    return 'ready';
  });
  console.log(`\nkvlab is open at\n\n    ${page}\n\nCtrl-C ends it.`);
  const code = await jupyter.ended;
  if (stopping) return new Promise(() => {});
  console.log('JupyterLab has ended.');
  return code;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!stopping) {
    console.error(`\n${describeError(error)}`);
    process.exitCode = 1;
  }
}
