/** A thread beside the user's code: it ends a blocked loop on an interrupt, and the process when its parent is gone.
 *
 *  An interrupt is first left to the main thread, which stops awaited work by itself. Only when its event loop does not
 *  turn is the running JavaScript ended through the inspector; variables are kept. Inside WebAssembly and inside the
 *  engine nothing is ended: a half-done call there would break the runtime for all later cells. */
import { Session } from 'node:inspector';
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';
import { endedAt, type Shared, seenAt } from './watch-shared.ts';
import { lifelineFd } from './wire.ts';

/** Time in ms that the main thread gets before its loop counts as blocked. */
const patienceMs = 120;
const retryMs = 20;
const giveUpMs = 10_000;

const { counters, guarded } = workerData as Shared;
let asked = 0;
let busy = false;

/** True when the main thread has taken the newest interrupt itself. */
function heard(): boolean {
  return Atomics.load(counters, seenAt) >= asked;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Ends what runs on the main thread, unless it is in guarded code. Resolves with false when it has to be tried again. */
async function endLoop(): Promise<boolean> {
  const session = new Session();
  session.connectToMainThread();
  const post = (method: string) =>
    new Promise<void>((resolve, reject) =>
      (session.post as (method: string, done: (error: Error | null) => void) => void).call(session, method, (error) =>
        error ? reject(error) : resolve(),
      ),
    );
  const urls = new Map<string, string>();
  session.on('Debugger.scriptParsed', ({ params }) => {
    // The types of Node leave the language out.
    const { scriptLanguage } = params as typeof params & { scriptLanguage?: string };
    urls.set(params.scriptId, scriptLanguage === 'WebAssembly' ? 'wasm:' : params.url);
  });
  const paused = new Promise<string[]>((resolve) => {
    session.on('Debugger.paused', ({ params }) =>
      resolve(params.callFrames.map((frame) => urls.get(frame.location.scriptId) ?? frame.url)),
    );
  });
  try {
    await post('Debugger.enable');
    await post('Debugger.pause');
    const frames = await Promise.race([paused, pause(500).then(() => undefined)]);
    // Nothing of JavaScript ran: the thread is in a system call, or the loop has turned.
    if (!frames) return heard();
    // The loop turned in the meantime: what runs now is innocent.
    if (heard()) {
      await post('Debugger.resume');
      return true;
    }
    const top = frames.findIndex((url) => /kvlab-cell-\d+\.tsx?$/.test(url));
    const above = top < 0 ? frames : frames.slice(0, top);
    const free =
      top >= 0 || frames.length === 0 || !frames.some((url) => guarded.some((prefix) => url.startsWith(prefix)));
    if (!free || above.some((url) => guarded.some((prefix) => url.startsWith(prefix)))) {
      await post('Debugger.resume');
      return false;
    }
    Atomics.add(counters, endedAt, 1);
    const ended = post('Runtime.terminateExecution');
    await post('Debugger.resume');
    await ended;
    return true;
  } finally {
    await post('Debugger.disable').catch(() => undefined);
    session.disconnect();
  }
}

async function interrupt(): Promise<void> {
  if (busy) return;
  busy = true;
  const began = performance.now();
  await pause(patienceMs);
  while (!heard() && performance.now() - began < giveUpMs)
    if (await endLoop()) break;
    else await pause(retryMs);
  busy = false;
}

const lifeline = new Socket({ fd: lifelineFd });
lifeline.on('data', (chunk) => {
  asked = chunk.readUInt32LE(chunk.length - 4);
  void interrupt();
});
// The other end closes when the protocol process is gone, however it ended.
const end = () => process.kill(process.pid, 'SIGKILL');
lifeline.on('end', end);
lifeline.on('close', end);
lifeline.on('error', end);
