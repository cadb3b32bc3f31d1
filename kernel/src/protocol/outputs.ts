/** Output of cells on its way to iopub: text is gathered, everything else passes in order. */

export type StreamName = 'stdout' | 'stderr';

export interface Outputs {
  text(run: number, name: StreamName, text: string): void;
  /** Sends gathered text now; before anything that must come after it. */
  flush(): void;
}

const gatherMs = 50;
const gatherLimit = 64 * 1024;

/** One message per 50 ms or 64 KiB and stream: jupyter_server drops all messages beyond 1,000 a second. */
export function createOutputs(send: (run: number, name: StreamName, text: string) => void): Outputs {
  const gathered = new Map<string, { run: number; name: StreamName; parts: string[]; length: number }>();
  let timer: NodeJS.Timeout | undefined;

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    for (const { run, name, parts } of gathered.values()) send(run, name, parts.join(''));
    gathered.clear();
  }
  return {
    flush,
    text(run, name, text) {
      const key = `${run} ${name}`;
      const entry = gathered.get(key) ?? { run, name, parts: [], length: 0 };
      gathered.set(key, entry);
      entry.parts.push(text);
      entry.length += text.length;
      if (entry.length >= gatherLimit) {
        gathered.delete(key);
        send(run, name, entry.parts.join(''));
      }
      if (gathered.size > 0) timer ??= setTimeout(flush, gatherMs);
    },
  };
}
