/** Showing values in the cell that runs, replacing what was shown, and clearing it. */
import { randomUUID } from 'node:crypto';
import type { MimeBundle } from '../host.ts';
import { bundleOf, isBundle } from './bundle.ts';
import { currentRun } from './running.ts';
import { writeMessage } from './wire.ts';

export interface DisplayOptions {
  /** Name under which the display can be replaced later, from any cell. */
  id?: string;
  /** Replaces the displays of this id instead of adding one. */
  update?: boolean;
  metadata?: Record<string, unknown>;
}

/** Something shown that can be replaced. */
export interface Display {
  readonly id: string;
  update(value: unknown): Promise<void>;
}

/** Sends a bundle to the current cell. */
export function showBundle(data: MimeBundle, { id, update = false, metadata = {} }: DisplayOptions = {}): void {
  writeMessage({ type: 'display', run: currentRun()?.run ?? 0, data, metadata, id, update });
}

/** Text for viewers that show nothing else: the words of the HTML, or the kinds of what is there. */
function fallbackText(bundle: MimeBundle): string {
  const html = bundle['text/html'];
  const words =
    typeof html === 'string'
      ? html
          .replace(/<[^>]*>/g, ' ')
          .replace(/\s+/g, ' ')
          .trim()
      : '';
  return words === '' ? `[${Object.keys(bundle).join(', ')}]` : words;
}

/** Shows a value, or a MIME bundle such as `{ 'text/html': '<b>x</b>' }`, in the cell that runs. */
export function display(value: unknown, options: DisplayOptions = {}): Display {
  const id = options.id ?? randomUUID();
  const show = async (one: unknown, update: boolean) => {
    const data = isBundle(one) ? { 'text/plain': fallbackText(one), ...one } : await bundleOf(one);
    showBundle(data, { id, update, metadata: options.metadata });
  };
  if (isBundle(value)) void show(value, options.update ?? false);
  else track(show(value, options.update ?? false));
  return { id, update: (next) => track(show(next, true)) };
}

const pending = new Set<Promise<void>>();

function track(work: Promise<void>): Promise<void> {
  pending.add(work);
  return work.finally(() => pending.delete(work));
}

/** Settles when everything that was given to `display` has been sent. */
export async function displaysSent(): Promise<void> {
  await Promise.all(pending);
}

/** Clears the output of the cell that runs; with `wait`, only when the next output comes. */
export function clearOutput(wait = false): void {
  writeMessage({ type: 'clear', run: currentRun()?.run ?? 0, wait });
}
