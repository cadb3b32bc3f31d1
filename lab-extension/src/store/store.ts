/** What all panels of a page share: the runs of one kernel, one selection, one clock. */
import type { FrameHeader, Selection } from 'kvlab/frame';
import { extendRun, type Run, runOf } from './run.ts';

/** `live` follows the newest step; `pinned` holds one. Neither stops the run. */
export type Clock = { mode: 'live' } | { mode: 'pinned'; step: number };

export interface Store {
  readonly runs: Map<string, Run>;
  /** Id of the run that is shown, or undefined before the first. */
  shown: string | undefined;
  /** True after the user chose a run: a new run then no longer takes its place. */
  chosen: boolean;
  locked: Selection;
  preview: Selection;
  clock: Clock;
  /** Runs of a kernel that is gone: a new run with the same id takes the place of the old one. */
  readonly ended: Set<string>;
  /** Why the picture is not live, in words; empty while it is. */
  stale: string;
  readonly listeners: Set<() => void>;
}

export function createStore(): Store {
  return {
    runs: new Map(),
    shown: undefined,
    chosen: false,
    locked: {},
    preview: {},
    clock: { mode: 'live' },
    ended: new Set(),
    stale: '',
    listeners: new Set(),
  };
}

/** Calls the listener after each change. Returns the function that stops it. */
export function subscribe(store: Store, listener: () => void): () => void {
  store.listeners.add(listener);
  return () => store.listeners.delete(listener);
}

export function changed(store: Store): void {
  for (const listener of store.listeners) listener();
}

/** Takes a frame in. A snapshot replaces what was known of its run; the newest run is shown unless the user chose one. */
export function receiveFrame(store: Store, header: FrameHeader, buffer: ArrayBuffer | DataView): void {
  const known = store.ended.has(header.run) ? undefined : store.runs.get(header.run);
  if (known && !header.snapshot) extendRun(known, header, buffer);
  else store.runs.set(header.run, runOf(header, buffer));
  store.ended.delete(header.run);
  if (!known && !(store.chosen && store.shown)) showRun(store, header.run, false);
  changed(store);
}

/** Shows a run. Positions and steps of another run mean nothing in it, so selection and clock start anew. */
export function showRun(store: Store, id: string, byUser: boolean): void {
  if (byUser) store.chosen = true;
  if (store.shown === id) return;
  store.shown = id;
  store.preview = {};
  store.clock = { mode: 'live' };
  const { layer, queryHead, kvHead } = store.locked;
  store.locked = layer === undefined ? {} : { layer, queryHead, kvHead };
  changed(store);
}

export function shownRun(store: Store): Run | undefined {
  return store.shown === undefined ? undefined : store.runs.get(store.shown);
}

/** The step that panels show of a run. */
export function shownStep(store: Store, run: Run): number {
  return store.clock.mode === 'live' ? run.step : Math.min(store.clock.step, run.step);
}

/** What is pointed at: the preview where there is one, else the lock. */
export function selected(store: Store): Selection {
  return { ...store.locked, ...store.preview };
}

/** Adds the KV head that a query head shares with its group. */
export function completeSelection(store: Store, selection: Selection): Selection {
  const model = shownRun(store)?.info.model;
  if (!model || selection.queryHead === undefined || selection.kvHead !== undefined) return selection;
  return { ...selection, kvHead: Math.floor((selection.queryHead * model.kvHeads) / model.queryHeads) };
}

export function previewSelection(store: Store, selection: Selection): void {
  const next = completeSelection(store, selection);
  if (same(next, store.preview)) return;
  store.preview = next;
  changed(store);
}

/** Locks a selection; locking what is locked already frees it again. */
export function lockSelection(store: Store, selection: Selection): void {
  const next = completeSelection(store, selection);
  const free = Object.entries(next).every(([key, value]) => store.locked[key as keyof Selection] === value);
  const kept: Selection = { ...store.locked };
  if (next.queryHead === undefined && next.kvHead !== undefined) delete kept.queryHead;
  for (const key of Object.keys(next) as (keyof Selection)[]) delete kept[key];
  store.locked = free ? kept : { ...kept, ...next };
  store.preview = {};
  changed(store);
}

/** Selects what a cell points at. */
export function pointAt(store: Store, selection: Selection): void {
  store.locked = completeSelection(store, selection);
  store.preview = {};
  if (selection.step !== undefined) store.clock = { mode: 'pinned', step: selection.step };
  changed(store);
}

export function clearSelection(store: Store): void {
  store.locked = {};
  store.preview = {};
  changed(store);
}

export function pinStep(store: Store, step: number): void {
  store.clock = { mode: 'pinned', step: Math.max(0, Math.round(step)) };
  changed(store);
}

export function goLive(store: Store): void {
  store.clock = { mode: 'live' };
  changed(store);
}

function same(a: Selection, b: Selection): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof Selection>;
  return [...keys].every((key) => a[key] === b[key]);
}
