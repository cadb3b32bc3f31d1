/** The item in the status bar: speed, bytes and device of the run that the lab in front shows. */
import type { ILabShell } from '@jupyterlab/application';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IStatusBar } from '@jupyterlab/statusbar';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { fixed } from '../draw/scale.ts';
import { type Run, rowAtStep, tokensPerSecond } from '../store/run.ts';
import { shownRun, subscribe } from '../store/store.ts';
import { translate } from '../translate.ts';
import type { Labs } from './labs.ts';
import type { LabWidget } from './widget.ts';

const restMs = 500;

/** What the item says of a run: what is not known is left out. */
export function statusWords(run: Run): string {
  const speed = tokensPerSecond(run);
  const held = bytesHeld(run);
  return [
    Number.isFinite(speed) ? translate('%1 tokens/s', fixed(speed, 1)) : '',
    held === undefined ? '' : translate('%1 MiB held', fixed(held / 2 ** 20, 2)),
    run.info.device,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Bytes in live buffers after the newest step. */
function bytesHeld(run: Run): number | undefined {
  const held = run.log.get('bytes.held');
  const row = rowAtStep(run, run.step);
  if (!held || row < 0 || row >= held.rows) return undefined;
  const width = held.rowShape.reduce((product, n) => product * n, 1);
  let sum = 0;
  for (let i = row * width; i < (row + 1) * width; i++) sum += held.data[i]!;
  return sum;
}

export function addStatusItem(bar: IStatusBar, labs: Labs, notebooks: INotebookTracker, shell: ILabShell | null): void {
  const item = new Widget({ node: document.createElement('button') });
  item.addClass('kvlab-status');
  const { node } = item;
  (node as HTMLButtonElement).type = 'button';
  node.title = translate('kvlab: the run that the lab shows; press to open it');
  const activeChanged = new Signal<object, void>(item);
  let followed: LabWidget | undefined;
  let unsubscribe = () => {};
  let timer = 0;

  const draw = () => {
    timer = 0;
    const run = followed && !followed.isDisposed ? shownRun(followed.store) : undefined;
    const words = run ? statusWords(run) : '';
    if (words === node.textContent) return;
    const appears = (words === '') !== (node.textContent === '');
    node.textContent = words;
    if (appears) activeChanged.emit();
  };
  const soon = () => {
    if (timer === 0) timer = window.setTimeout(draw, restMs);
  };
  const follow = () => {
    const front = labs.front();
    if (front === followed) return;
    unsubscribe();
    followed = front;
    unsubscribe = front ? subscribe(front.store, soon) : () => {};
    draw();
  };
  node.addEventListener('click', () => void labs.open({}));
  labs.tracker.currentChanged.connect(follow);
  labs.tracker.widgetAdded.connect(follow);
  notebooks.currentChanged.connect(follow);
  shell?.currentChanged.connect(follow);
  bar.registerStatusItem('@kvlab/lab-extension:status', {
    item,
    align: 'left',
    rank: 20,
    isActive: () => node.textContent !== '',
    activeStateChanged: activeChanged,
  });
}
