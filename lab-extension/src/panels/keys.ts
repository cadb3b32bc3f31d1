/** What keys do in a panel: all that the mouse does, and a few more. */
import type { Selection } from 'kvlab/frame';
import {
  clearSelection,
  extendRange,
  extendSelection,
  goLive,
  lockOrAdd,
  pinStep,
  previewSelection,
  type Store,
  selected,
  shownRun,
  shownStep,
} from '../store/store.ts';

/** A key of one panel, with what it does in words. */
export interface PanelKey {
  does: string;
  press(): void;
}
export type PanelKeys = Readonly<Record<string, PanelKey>>;

export interface KeyTarget {
  /** Moves the cursor by columns and rows; gives what is then pointed at. */
  step?: ((columns: number, rows: number) => Selection | undefined) | undefined;
  keys?: PanelKeys | undefined;
  toggleTable(): void;
  openExport(): void;
}

/** Keys that every panel knows, for its help. */
export const sharedKeys: readonly (readonly [key: string, does: string])[] = [
  ['Arrows', 'move the cursor'],
  ['Page Up, Page Down', 'layer before, layer after'],
  ['Home, End', 'first token, last token'],
  ['Shift + arrows, Home, End', 'extend the selection'],
  ['Enter', 'lock what is pointed at, with Shift add it'],
  ['Escape', 'clear the selection'],
  ['[ ]', 'step before, step after'],
  ['{ }', 'widen the range of steps'],
  ['Space', 'hold the step or go live'],
  ['t', 'table'],
  ['e', 'export'],
];

const arrows: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Does what a key says; false for a key that means nothing here. */
export function pressKey(store: Store, target: KeyTarget, key: string, shiftKey = false): boolean {
  const run = shownRun(store);
  const own = target.keys?.[key];
  const move = arrows[key];
  const go = shiftKey ? extendSelection : previewSelection;
  if (own) own.press();
  else if (move && target.step) {
    const selection = target.step(...move);
    if (selection) go(store, selection);
  } else if (key === 'Enter') lockOrAdd(store, store.preview, { shiftKey });
  else if (key === 'Escape' && (Object.keys(store.locked).length || Object.keys(store.preview).length))
    clearSelection(store);
  else if (key === 't') target.toggleTable();
  else if (key === 'e') target.openExport();
  else if (!run) return false;
  else if (key === '[') pinStep(store, shownStep(store, run) - 1);
  else if (key === ']') pinStep(store, Math.min(run.step, shownStep(store, run) + 1));
  else if (key === '{') extendRange(store, run, -1);
  else if (key === '}') extendRange(store, run, 1);
  else if (key === ' ') store.clock.mode === 'live' ? pinStep(store, run.step) : goLive(store);
  else if (key === 'PageUp' || key === 'PageDown') {
    const { layer = key === 'PageUp' ? run.info.model.layers : -1 } = selected(store);
    const next = Math.max(0, Math.min(run.info.model.layers - 1, layer + (key === 'PageUp' ? -1 : 1)));
    previewSelection(store, { ...store.preview, layer: next });
  } else if (key === 'Home' || key === 'End')
    go(store, { ...(shiftKey ? {} : store.preview), position: key === 'Home' ? 0 : run.texts.length - 1 });
  else return false;
  return true;
}
