/** Which entries are in the cache after each step, rebuilt from the events of a run.
 *
 *  Every token enters every head at its step, in the zone `fresh`; events then move it between zones or out of the cache.
 *  Columns are absolute positions and stay so: nothing is renumbered when an entry leaves. */
import { eventKinds, eventParts, type RunInfo } from 'kvlab/frame';
import type { Run } from './run.ts';

/** Zone code of an entry that is not in the cache. */
export const gone = 255;

export interface Survival {
  readonly heads: number;
  /** Room for positions in each row; grows when a run outlives its plan. */
  stride: number;
  /** Zone of each entry after the newest step, [heads, stride]. */
  keys: Uint8Array;
  values: Uint8Array;
  /** Heads that hold keys or values of each position now. */
  holding: Uint16Array;
  /** The same after each step, [steps, stride]. */
  rows: Uint16Array;
  /** Rows written. */
  steps: number;
  /** Tokens that have entered, and events that were applied. */
  entered: number;
  applied: number;
}

const readKind = eventKinds.indexOf('read');
const valuesPart = eventParts.indexOf('values');
const keysPart = eventParts.indexOf('keys');

export function survivalOf(info: RunInfo): Survival {
  const heads = info.model.layers * info.model.kvHeads;
  const stride = Math.max(64, info.promptLength + info.maxTokens + 1);
  return {
    heads,
    stride,
    keys: new Uint8Array(heads * stride).fill(gone),
    values: new Uint8Array(heads * stride).fill(gone),
    holding: new Uint16Array(stride),
    rows: new Uint16Array(64 * stride),
    steps: 0,
    entered: 0,
    applied: 0,
  };
}

/** Code of the zone that new tokens enter. */
export function freshZone(info: RunInfo): number {
  return Math.max(0, info.zones.indexOf('fresh'));
}

/** Brings the survival of a run up to its newest step. */
export function advanceSurvival(run: Run): void {
  const { survival } = run;
  const tokenStep = run.log.get('token.step');
  const eventStep = run.log.get('event.step');
  if (!tokenStep) return;
  widen(survival, tokenStep.rows);
  const fresh = freshZone(run.info);
  for (let step = Math.max(0, survival.steps - 1); step <= run.step; step++) {
    while (survival.entered < tokenStep.rows && tokenStep.data[survival.entered]! <= step)
      enter(survival, survival.entered++, fresh);
    while (eventStep && survival.applied < eventStep.rows && eventStep.data[survival.applied]! <= step)
      apply(run, survival.applied++);
    keepRow(survival, step);
  }
}

/** Heads that hold a position after a step. */
export function holdingAt(survival: Survival, position: number, step: number): number {
  if (survival.steps === 0) return 0;
  return survival.rows[Math.min(step, survival.steps - 1) * survival.stride + position] ?? 0;
}

/** Entries in the cache after a step, all heads together. */
export function entriesAt(survival: Survival, step: number): number {
  let sum = 0;
  for (let position = 0; position < survival.entered; position++) sum += holdingAt(survival, position, step);
  return sum;
}

/** Zone of each position after each step in one head, [steps, positions]; keys or values, `gone` where not held. */
export function headHistory(
  run: Run,
  layer: number,
  kvHead: number,
  part: 'keys' | 'values',
  steps: number,
): Uint8Array {
  const tokenStep = run.log.get('token.step');
  const tokens = tokenStep?.rows ?? 0;
  const history = new Uint8Array(steps * tokens).fill(gone);
  const state = new Uint8Array(tokens).fill(gone);
  const otherPart = part === 'keys' ? valuesPart : keysPart;
  const event = (name: string) => run.log.get(`event.${name}`)?.data;
  const [stepOf, layerOf, headOf, positionOf, kindOf, partOf, toOf] = [
    'step',
    'layer',
    'kvHead',
    'position',
    'kind',
    'part',
    'to',
  ].map(event);
  const events = run.log.get('event.step')?.rows ?? 0;
  const fresh = freshZone(run.info);
  let token = 0;
  let next = 0;
  for (let step = 0; step < steps; step++) {
    while (token < tokens && tokenStep!.data[token]! <= step) state[token++] = fresh;
    for (; next < events && stepOf![next]! <= step; next++) {
      if (layerOf![next] !== layer || headOf![next] !== kvHead) continue;
      if (kindOf![next] === readKind || partOf![next] === otherPart) continue;
      state[positionOf![next]!] = toOf![next]!;
    }
    history.set(state, step * tokens);
  }
  return history;
}

function enter(survival: Survival, position: number, zone: number): void {
  for (let head = 0; head < survival.heads; head++) {
    survival.keys[head * survival.stride + position] = zone;
    survival.values[head * survival.stride + position] = zone;
  }
  survival.holding[position] = survival.heads;
}

function apply(run: Run, index: number): void {
  const { survival, info } = run;
  const read = (name: string) => run.log.get(`event.${name}`)!.data[index]!;
  if (read('kind') === readKind) return;
  const position = read('position');
  const entry = (read('layer') * info.model.kvHeads + read('kvHead')) * survival.stride + position;
  const before = survival.keys[entry] !== gone || survival.values[entry] !== gone;
  const part = read('part');
  if (part !== valuesPart) survival.keys[entry] = read('to');
  if (part !== keysPart) survival.values[entry] = read('to');
  const after = survival.keys[entry] !== gone || survival.values[entry] !== gone;
  if (before !== after) survival.holding[position]! += after ? 1 : -1;
}

function keepRow(survival: Survival, step: number): void {
  const end = (step + 1) * survival.stride;
  if (end > survival.rows.length) {
    const grown = new Uint16Array(Math.max(end, survival.rows.length * 2));
    grown.set(survival.rows);
    survival.rows = grown;
  }
  survival.rows.set(survival.holding, step * survival.stride);
  survival.steps = Math.max(survival.steps, step + 1);
}

function widen(survival: Survival, tokens: number): void {
  if (tokens <= survival.stride) return;
  const stride = Math.max(tokens, survival.stride * 2);
  const spread = <T extends Uint8Array | Uint16Array>(from: T, to: T): T => {
    for (let row = 0; row * survival.stride < from.length; row++)
      to.set(from.subarray(row * survival.stride, (row + 1) * survival.stride), row * stride);
    return to;
  };
  survival.keys = spread(survival.keys, new Uint8Array(survival.heads * stride).fill(gone));
  survival.values = spread(survival.values, new Uint8Array(survival.heads * stride).fill(gone));
  survival.holding = spread(survival.holding, new Uint16Array(stride));
  survival.rows = spread(survival.rows, new Uint16Array((survival.rows.length / survival.stride) * stride));
  survival.stride = stride;
}
