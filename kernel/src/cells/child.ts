/** The process that runs the user's code and the engine. Its end takes nothing with it but the variables. */
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as api from './api.ts';
import { receiveComm } from './comms.ts';
import { installImports } from './imports.ts';
import { receiveInput } from './input.ts';
import { installHost, receivePanel } from './panels.ts';
import { execute, interrupt } from './run.ts';
import { currentRun } from './running.ts';
import { installStreams } from './streams.ts';
import { cellError, installTraces } from './traceback.ts';
import { endedAt, type Shared, seenAt } from './watch-shared.ts';
import { type ToChild, writeMessage } from './wire.ts';

const here = dirname(fileURLToPath(import.meta.url));
const counters = new Int32Array(new SharedArrayBuffer(8));
const guarded = ['wasm:', pathToFileURL(resolve(here, '../engine')).href, resolve(here, '../engine')];
const workerData: Shared = { counters, guarded };
const watch = new Worker(new URL('./watch-thread.js', import.meta.url), { workerData });
watch.unref();

installTraces();
installImports();
installStreams();
installHost();
Object.assign(globalThis, api);

function stray(error: unknown) {
  const run = currentRun();
  if (run) writeMessage({ type: 'stray', run: run.run, error: cellError(error) });
}
process.on('unhandledRejection', stray);
process.on('uncaughtException', stray);
// A Ctrl-C in the terminal that started Jupyter reaches the whole group; interrupts come by message.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

process.on('message', (message: ToChild) => {
  switch (message.type) {
    case 'run':
      return execute(message);
    case 'interrupt':
      Atomics.store(counters, seenAt, message.number);
      return interrupt(Atomics.exchange(counters, endedAt, 0) > 0);
    case 'input':
      return receiveInput(message.run, message.value);
    case 'panel':
      return receivePanel(message.message);
    case 'comm':
      return receiveComm(message);
  }
});
writeMessage({ type: 'ready' });
