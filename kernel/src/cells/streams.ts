/** What a cell prints: `console` and the two standard streams, sent with the cell that caused it. */
import { currentRun } from './running.ts';
import { writeMessage } from './wire.ts';

type Write = typeof process.stdout.write;

function writer(name: 'stdout' | 'stderr'): Write {
  return ((chunk: string | Uint8Array, encoding?: BufferEncoding | (() => void), done?: () => void) => {
    const text =
      typeof chunk === 'string' && encoding !== 'hex' && encoding !== 'base64'
        ? chunk
        : Buffer.from(chunk as string, typeof encoding === 'string' ? encoding : undefined).toString('utf8');
    const run = currentRun();
    if (text !== '' && run) writeMessage({ type: 'stream', run: run.run, name, text });
    const callback = typeof encoding === 'function' ? encoding : done;
    if (callback) queueMicrotask(callback);
    return true;
  }) as Write;
}

/** Sends what is written to the standard streams to the current cell. */
export function installStreams(): void {
  process.stdout.write = writer('stdout');
  process.stderr.write = writer('stderr');
}
