/** Entry of the kernel: `node main.js CONNECTION_FILE`. */
import { readConnection } from './connection.ts';
import { type Kernel, startKernel } from './kernel.ts';

const parentPollMs = 1000;

async function main(path: string | undefined): Promise<void> {
  if (!path) throw new Error('kvlab: no connection file was given; Jupyter passes one when it starts the kernel');
  let kernel: Kernel | undefined;
  let ending = false;
  const end = () => {
    if (ending) return;
    ending = true;
    (kernel?.stop() ?? Promise.resolve()).finally(() => process.exit(0));
  };
  process.on('SIGTERM', end);
  process.on('SIGHUP', end);
  // Interrupts come as messages; a Ctrl-C in the terminal of the server reaches this process too.
  process.on('SIGINT', () => undefined);
  const parent = process.ppid;
  // Only a kernel that Jupyter itself started is meant to end with it.
  if (process.env.JPY_PARENT_PID === String(parent))
    setInterval(() => process.ppid !== parent && end(), parentPollMs).unref();
  kernel = await startKernel(readConnection(path), process.cwd(), end);
}

main(process.argv[2]).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
