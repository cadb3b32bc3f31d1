/** Buttons that act on a run while it goes on: pause, one token, resume, stop. */
import { type Store, shownRun } from '../store/store.ts';
import { translate } from '../translate.ts';

export type RunAction = 'pause' | 'step' | 'continue' | 'stop';

export interface RunButtons {
  readonly node: HTMLElement;
  draw(): void;
}

const texts: Readonly<Record<RunAction, { text: string; title: string }>> = {
  pause: { text: 'Pause', title: 'Hold the run after the token that is being written' },
  step: { text: 'Step', title: 'Write one token and hold again' },
  continue: { text: 'Resume', title: 'Write on' },
  stop: { text: 'Stop', title: 'End the run; what was written is kept' },
};

export function createRunButtons(store: Store, act: (action: RunAction) => void): RunButtons {
  const node = document.createElement('span');
  node.className = 'kvlab-run-buttons';
  node.setAttribute('role', 'group');
  node.setAttribute('aria-label', translate('Run'));
  const buttons = Object.fromEntries(
    Object.entries(texts).map(([action, { text, title }]) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.dataset.action = action;
      button.textContent = translate(text);
      button.title = translate(title);
      button.addEventListener('click', () => act(action as RunAction));
      node.append(button);
      return [action, button];
    }),
  ) as Record<RunAction, HTMLButtonElement>;
  return {
    node,
    draw() {
      const run = shownRun(store);
      const going = run !== undefined && !run.info.recorded && (run.state === 'running' || run.state === 'paused');
      node.hidden = !going;
      const paused = run?.state === 'paused';
      buttons.pause.hidden = paused;
      buttons.continue.hidden = buttons.step.hidden = !paused;
    },
  };
}
