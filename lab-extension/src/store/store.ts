/** What all panels of a page share: the runs of one kernel, one selection, one clock. */
import type { FrameHeader, SelectedHead, Selection } from 'kvlab/frame';
import { extendRun, type Run, runOf } from './run.ts';

/** `live` follows the newest step, `pinned` holds one, `range` holds the steps from one to another, both included. None stops the run. */
export type Clock = { mode: 'live' } | { mode: 'pinned'; step: number } | { mode: 'range'; from: number; to: number };

export interface Store {
  readonly runs: Map<string, Run>;
  /** Id of the run that is shown, or undefined before the first. */
  shown: string | undefined;
  /** True after the user chose a run: a new run then no longer takes its place. */
  chosen: boolean;
  locked: Selection;
  /** The token from which a selection is extended. */
  anchor: number | undefined;
  preview: Selection;
  clock: Clock;
  /** Runs of a kernel that is gone: a new run with the same id takes the place of the old one. */
  readonly ended: Set<string>;
  /** Why the picture is not live, in words; empty while it is. */
  stale: string;
  /** The same in a few words, which each panel shows; empty for a saved run, which is all there is. */
  away: string;
  readonly listeners: Set<() => void>;
}

export function createStore(): Store {
  return {
    runs: new Map(),
    shown: undefined,
    chosen: false,
    locked: {},
    anchor: undefined,
    preview: {},
    clock: { mode: 'live' },
    ended: new Set(),
    stale: '',
    away: '',
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
  if (!known && !header.info?.comparison && !(store.chosen && store.shown)) showRun(store, header.run, false);
  changed(store);
}

/** Says that the kernel of all runs is gone: ids may come again. Runs of the kernel before that one are forgotten. */
export function endRuns(store: Store): void {
  const fresh = [...store.runs.keys()].filter((id) => !store.ended.has(id));
  if (fresh.length)
    for (const id of store.ended)
      if (id !== store.shown) {
        store.runs.delete(id);
        store.ended.delete(id);
      }
  for (const id of fresh) store.ended.add(id);
}

/** Shows a run. Positions and steps of another run mean nothing in it, so selection and clock start anew. */
export function showRun(store: Store, id: string, byUser: boolean): void {
  if (byUser) store.chosen = true;
  if (store.shown === id) return;
  store.shown = id;
  store.preview = {};
  store.clock = { mode: 'live' };
  const { layer, queryHead, kvHead, heads } = store.locked;
  store.locked = layer === undefined ? {} : { layer, queryHead, kvHead, ...(heads ? { heads } : {}) };
  store.anchor = undefined;
  changed(store);
}

export function shownRun(store: Store): Run | undefined {
  return store.shown === undefined ? undefined : store.runs.get(store.shown);
}

/** The step that panels show of a run. */
export function shownStep(store: Store, { step }: Pick<Run, 'step'>): number {
  const { clock } = store;
  if (clock.mode === 'live') return step;
  return Math.min(clock.mode === 'pinned' ? clock.step : clock.to, step);
}

/** The steps that tables speak of: the range, or all up to the step that is shown. */
export function shownRange(store: Store, run: Pick<Run, 'step'>): readonly [from: number, to: number] {
  const to = shownStep(store, run);
  return store.clock.mode === 'range' ? [Math.min(store.clock.from, to), to] : [0, to];
}

/** What is pointed at: the preview where there is one, else the lock. */
export function selected(store: Store): Selection {
  return { ...store.locked, ...store.preview };
}

/** The tokens that words speak of: the one that is pointed at, else all that are locked. */
export function pointedTokens(store: Store): readonly number[] {
  const { position } = store.preview;
  return position === undefined ? lockedPositions(store) : [position];
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
  const kept: Selection = { ...store.locked };
  const several = (next.position !== undefined && kept.positions) || (next.layer !== undefined && kept.heads);
  const free = !several && Object.entries(next).every(([key, value]) => kept[key as keyof Selection] === value);
  if (next.position !== undefined) delete kept.positions;
  if (next.layer !== undefined) delete kept.heads;
  if (next.queryHead === undefined && next.kvHead !== undefined) delete kept.queryHead;
  for (const key of Object.keys(next) as (keyof Selection)[]) delete kept[key];
  store.locked = free ? kept : { ...kept, ...next };
  store.anchor = store.locked.position;
  store.preview = {};
  changed(store);
}

/** All tokens that are locked, in the order of the text. */
export function lockedPositions({ locked }: Pick<Store, 'locked'>): readonly number[] {
  return locked.positions ?? (locked.position === undefined ? [] : [locked.position]);
}

/** All heads that are locked, in the order in which they were chosen. */
export function lockedHeads({
  locked: { layer, queryHead, kvHead, heads },
}: Pick<Store, 'locked'>): readonly SelectedHead[] {
  if (heads) return heads;
  return layer === undefined || (queryHead === undefined && kvHead === undefined) ? [] : [{ layer, queryHead, kvHead }];
}

/** Adds a token or a head to what is locked; one that is among them already leaves. */
export function addToSelection(store: Store, selection: Selection): void {
  const next = completeSelection(store, selection);
  let locked: Selection = { ...store.locked };
  if (next.position !== undefined) {
    const before = lockedPositions(store);
    const stay = before.filter((position) => position !== next.position);
    const added = stay.length === before.length;
    locked = withPositions(locked, added ? [...stay, next.position] : stay, added ? next.position : stay.at(-1));
    store.anchor = locked.position;
  }
  const head = headOfSelection(next);
  if (head) {
    const before = lockedHeads(store);
    const stay = before.filter((own) => !sameHead(own, head));
    const added = stay.length === before.length;
    locked = withHeads(locked, added ? [...stay, head] : stay, added ? head : stay.at(-1));
  }
  store.locked = locked;
  store.preview = {};
  changed(store);
}

/** Extends what is locked up to a token, from where it began, or by a head. */
export function extendSelection(store: Store, selection: Selection): void {
  const next = completeSelection(store, selection);
  let locked: Selection = { ...store.locked };
  if (next.position !== undefined && next.position !== locked.position) {
    store.anchor ??= locked.position ?? next.position;
    const [from, to] = [Math.min(store.anchor, next.position), Math.max(store.anchor, next.position)];
    const all = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    locked = withPositions(locked, all, next.position);
  }
  const head = headOfSelection(next);
  const before = lockedHeads(store);
  if (head) locked = withHeads(locked, [...before.filter((own) => !sameHead(own, head)), head], head);
  store.locked = locked;
  store.preview = {};
  changed(store);
}

/** What a click or Enter does: it locks, and with Shift it adds. */
export function lockOrAdd(store: Store, selection: Selection, { shiftKey }: { shiftKey: boolean }): void {
  if (shiftKey) addToSelection(store, selection);
  else lockSelection(store, selection);
}

function headOfSelection({ layer, queryHead, kvHead }: Selection): SelectedHead | undefined {
  return layer === undefined || (queryHead === undefined && kvHead === undefined)
    ? undefined
    : { layer, queryHead, kvHead };
}

const sameHead = (a: SelectedHead, b: SelectedHead): boolean =>
  a.layer === b.layer && a.queryHead === b.queryHead && a.kvHead === b.kvHead;

function withPositions(locked: Selection, all: readonly number[], position: number | undefined): Selection {
  const { position: _, positions: __, ...rest } = locked;
  if (position === undefined) return rest;
  return { ...rest, position, ...(all.length > 1 ? { positions: [...all].sort((a, b) => a - b) } : {}) };
}

function withHeads(locked: Selection, all: readonly SelectedHead[], head: SelectedHead | undefined): Selection {
  const { layer: _, queryHead: __, kvHead: ___, heads: ____, ...rest } = locked;
  return head ? { ...rest, ...head, ...(all.length > 1 ? { heads: all } : {}) } : rest;
}

/** Selects what a cell points at. */
export function pointAt(store: Store, selection: Selection): void {
  const { step, range, run, ...rest } = selection;
  if (run !== undefined && store.runs.has(run)) showRun(store, run, true);
  const { positions = [], heads = [] } = rest;
  store.locked = completeSelection(store, { position: positions.at(-1), ...heads.at(-1), ...rest });
  for (const key of ['position', 'layer'] as const) if (store.locked[key] === undefined) delete store.locked[key];
  store.anchor = store.locked.position;
  store.preview = {};
  if (range) store.clock = rangeOf(...range);
  else if (step !== undefined) store.clock = { mode: 'pinned', step };
  changed(store);
}

export function clearSelection(store: Store): void {
  store.locked = {};
  store.anchor = undefined;
  store.preview = {};
  changed(store);
}

export function pinStep(store: Store, step: number): void {
  store.clock = { mode: 'pinned', step: Math.max(0, Math.round(step)) };
  changed(store);
}

/** Holds the steps between two steps, in either order. */
export function holdRange(store: Store, a: number, b: number): void {
  store.clock = rangeOf(a, b);
  changed(store);
}

function rangeOf(a: number, b: number): Clock {
  const [from, to] = a < b ? [a, b] : [b, a];
  return { mode: 'range', from: Math.max(0, Math.round(from)), to: Math.max(0, Math.round(to)) };
}

/** Moves one end of the range; without a range it starts at the step that is shown. */
export function extendRange(store: Store, run: Run, by: number): void {
  const { clock } = store;
  const [from, to] = clock.mode === 'range' ? [clock.from, clock.to] : [shownStep(store, run), shownStep(store, run)];
  if (by < 0) holdRange(store, from + by, to);
  else holdRange(store, from, Math.min(run.step, to + by));
}

/** What a cell reads back: the lock, and the step or range where time is held. */
export function pointedAt(store: Store): Selection {
  const { locked, clock, shown } = store;
  const { step: _, range: __, ...rest } = locked;
  return {
    ...rest,
    ...(shown === undefined ? {} : { run: shown }),
    ...(clock.mode === 'pinned' ? { step: clock.step } : {}),
    ...(clock.mode === 'range' ? { range: [clock.from, clock.to] } : {}),
  };
}

export function goLive(store: Store): void {
  store.clock = { mode: 'live' };
  changed(store);
}

function same(a: Selection, b: Selection): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof Selection>;
  return [...keys].every((key) => a[key] === b[key]);
}
