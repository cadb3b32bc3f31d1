/** What panels may ask of a run while it goes: pause, single steps, stop, other amounts, a head to watch. */
import type { FrameHeader, PanelMessage, RunChange } from '../record/frame.ts';

/** What a run does when a panel asks for it. `change` throws where it refuses, and notes that itself. */
export interface ControlActions {
  watch(layer: number, queryHead: number): void;
  change(options: RunChange['options']): void;
}

export function runControl(
  run: string,
  { onPanel }: { onPanel?(listener: (message: PanelMessage) => void): () => void },
  { watch, change }: ControlActions,
) {
  let paused = false;
  let steps = 0;
  let stopped = false;
  /** Asked for since the last turn: a step that is under way ends with the amounts that it began with. */
  let changes: RunChange['options'][] = [];
  let wake = (): void => {};
  const leave = onPanel?.((message) => {
    if (message.type === 'watch' && message.run === run) watch(message.layer, message.queryHead);
    if (message.type !== 'control' || message.run !== run) return;
    if (message.action === 'pause') paused = true;
    else if (message.action === 'step') steps++;
    else if (message.action === 'continue') paused = false;
    else if (message.action === 'change') changes.push(message.options);
    else stopped = true;
    wake();
  });
  function takeChanges(): void {
    const asked = changes;
    changes = [];
    for (const options of asked)
      try {
        change(options);
      } catch {
        // The panel that asked reads in the run's log why it was refused; the run goes on as it was.
      }
  }
  return {
    end: () => leave?.(),
    get stopped() {
      return stopped;
    },
    async turn(signal: AbortSignal | undefined, publish: (state: FrameHeader['state']) => void): Promise<void> {
      takeChanges();
      while (paused && steps === 0 && !stopped) {
        signal?.throwIfAborted();
        // A page may answer before the frame is out of our hands.
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
          signal?.addEventListener('abort', () => resolve(), { once: true });
        });
        publish('paused');
        await woken;
        takeChanges();
      }
      steps = Math.max(0, steps - 1);
    },
  };
}
