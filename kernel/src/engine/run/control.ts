/** What panels may ask of a run while it goes: pause, single steps, stop, a head to watch. */
import type { FrameHeader, PanelMessage } from '../record/frame.ts';

export function runControl(
  run: string,
  { onPanel }: { onPanel?(listener: (message: PanelMessage) => void): () => void },
  watch: (layer: number, queryHead: number) => void,
) {
  let paused = false;
  let steps = 0;
  let stopped = false;
  let wake = (): void => {};
  const leave = onPanel?.((message) => {
    if (message.type === 'watch' && message.run === run) watch(message.layer, message.queryHead);
    if (message.type !== 'control' || message.run !== run) return;
    if (message.action === 'pause') paused = true;
    else if (message.action === 'step') steps++;
    else if (message.action === 'continue') paused = false;
    else stopped = true;
    wake();
  });
  return {
    end: () => leave?.(),
    get stopped() {
      return stopped;
    },
    async turn(signal: AbortSignal | undefined, publish: (state: FrameHeader['state']) => void): Promise<void> {
      if (!paused || steps > 0 || stopped) {
        steps = Math.max(0, steps - 1);
        return;
      }
      publish('paused');
      while (paused && steps === 0 && !stopped) {
        signal?.throwIfAborted();
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal?.addEventListener('abort', () => resolve(), { once: true });
        });
      }
      steps = Math.max(0, steps - 1);
    },
  };
}
