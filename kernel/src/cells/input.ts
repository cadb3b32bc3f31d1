/** Asking the user for a line of text. */

import { wait } from './cancel.ts';
import { currentRun } from './running.ts';
import { writeMessage } from './wire.ts';

const waiting = new Map<number, ((value: string) => void)[]>();

/** Asks for a line; with `password` it is not shown while typed. Rejects where the client cannot ask. */
export function input(prompt = '', { password = false }: { password?: boolean } = {}): Promise<string> {
  const run = currentRun();
  if (!run?.allowInput)
    return Promise.reject(
      new Error('input: this client does not let the kernel ask; run the cell in a notebook or a console'),
    );
  const answer = new Promise<string>((resolve) => {
    waiting.set(run.run, [...(waiting.get(run.run) ?? []), resolve]);
  });
  writeMessage({ type: 'input', run: run.run, prompt, password });
  return wait(answer);
}

/** Hands a typed line to the oldest question of a cell. */
export function receiveInput(run: number, value: string): void {
  waiting.get(run)?.shift()?.(value);
}
