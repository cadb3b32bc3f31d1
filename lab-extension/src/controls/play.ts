/** Plays a run that was written: the pinned step walks on by itself, and ends at live. */
import { goLive, pinStep, type Store, shownRun, shownStep } from '../store/store.ts';
import { translate } from '../translate.ts';

/** Steps in a second. */
const speeds = [4, 10, 30] as const;

export interface Player {
  readonly node: HTMLElement;
  draw(): void;
}

export function createPlayer(store: Store): Player {
  const node = document.createElement('button');
  node.type = 'button';
  node.className = 'kvlab-play';
  let timer: ReturnType<typeof setInterval> | undefined;
  let playing: string | undefined;
  let expected = -1;

  function draw(): void {
    const run = shownRun(store);
    node.hidden = !run || run.step < 2 || run.state === 'running';
    node.textContent = translate(timer ? 'Stop' : 'Play');
    node.title = translate(timer ? 'Stop at this step' : 'Play the run from this step, or from its start');
    node.setAttribute('aria-pressed', String(timer !== undefined));
  }
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    playing = undefined;
    draw();
  };
  const next = () => {
    const run = shownRun(store);
    // Whoever takes the time into their own hands has it: another step, another run, a range.
    if (
      !run ||
      !node.isConnected ||
      store.shown !== playing ||
      store.clock.mode !== 'pinned' ||
      store.clock.step !== expected
    )
      return stop();
    expected += 1;
    if (expected <= run.step) return pinStep(store, expected);
    stop();
    goLive(store);
  };
  node.addEventListener('click', () => {
    const run = shownRun(store);
    if (!run) return;
    if (timer) return stop();
    const from = shownStep(store, run);
    expected = from >= run.step ? 0 : from;
    playing = store.shown;
    pinStep(store, expected);
    const speed = speeds.find((one) => run.step / one <= 30) ?? speeds.at(-1)!;
    timer = setInterval(next, 1000 / speed);
  });
  return { node, draw };
}
