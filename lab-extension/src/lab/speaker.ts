/** The live region: says the newest sentence, at most once in two seconds. */
const restMs = 2000;

export interface Speaker {
  say(text: string): void;
  dispose(): void;
}

export function createSpeaker(region: HTMLElement): Speaker {
  let saidAt = Number.NEGATIVE_INFINITY;
  let waiting: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const speak = () => {
    timer = undefined;
    if (waiting === undefined || waiting === region.textContent) return;
    saidAt = performance.now();
    region.textContent = waiting;
    waiting = undefined;
  };
  return {
    say(text) {
      waiting = text;
      timer ??= setTimeout(speak, Math.max(0, saidAt + restMs - performance.now()));
    },
    dispose: () => clearTimeout(timer),
  };
}
