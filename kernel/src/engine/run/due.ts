/** The keep line that is due: which one, on what facts it decides, and which segments of the text have ended. */
import type { Allocated, Method, Segment } from '@kvlab/ops';
import { fullBytes, heldBytes } from '../cache/ledger.ts';
import type { Observer } from '../keep/observer.ts';
import { keepPass } from '../keep/pass.ts';
import { recalledRows, scoreByRecall } from '../keep/recall.ts';
import type { Sequence } from './sequence.ts';

/** What has just been fed: a chunk of a prompt, its last one, or a token of the answer. */
export type Occasion = 'prompt' | 'chunk' | 'step';

export interface DueLine {
  line: Method;
  allocated: Allocated;
  /** After a token of the answer, whose step brought a single query. */
  writing?: boolean;
}

/** The method with the keep line that is due, the last of several, and what it may hold. */
export function dueLine(sequence: Sequence, now: readonly Occasion[], segmentEnded = false): DueLine | undefined {
  const { method, step, allocated, allocatedLater } = sequence;
  const due = ({ when }: Method) =>
    when.some((w) => {
      if (typeof w === 'object') return now.includes('step') && step % w.every === 0;
      if (w === 'segment end') return segmentEnded;
      return w === 'before attention' ? now.includes('step') || now.includes('chunk') : now.some((o) => o === w);
    });
  const later = method.phases.findLastIndex(due);
  const writing = now.includes('step');
  if (later >= 0) return { line: method.phases[later]!, allocated: allocatedLater[later]!, writing };
  return due(method) ? { line: method, allocated: allocated!, writing } : undefined;
}

/** Runs the keep line that is due, if one is, and gives it back. */
export async function keepIfDue(
  sequence: Sequence,
  occasions: readonly Occasion[],
  observer?: Observer,
): Promise<DueLine | undefined> {
  const segments = sequence.method.declaration.segment?.cut(sequence.pieces) ?? [];
  const ended = segments.filter(({ open }) => !open).length;
  const due = dueLine(sequence, occasions, ended > sequence.endedSegments);
  sequence.endedSegments = ended;
  if (due) await keepNow(sequence, due, segments, observer);
  return due;
}

export async function keepNow(
  sequence: Sequence,
  { line, allocated, writing }: DueLine,
  segments: readonly Segment[],
  observer?: Observer,
): Promise<void> {
  const { step, ids, promptLength, seed, operate, tails, nll, turns, turn, amountsChanged } = sequence;
  const { layers, group, kvHeads, headSize, context, ropeFrequencies } = sequence.model.config;
  const facts = {
    operate,
    queries: (layer: number) => tails[layer],
    nll,
    turnsAgo: (position: number) => turn - (turns[position] ?? turn),
    group,
    frequencies: ropeFrequencies,
  };
  const pressure = heldBytes(sequence.layers) / fullBytes(context, layers, kvHeads, headSize);
  const registers = (layer: number) => sequence.registers[layer]!;
  const now = { step, seen: ids.length, promptLength, seed, facts, pressure, segments, registers, amountsChanged };
  if (writing && recalledRows(line))
    for (const [l, layer] of sequence.layers.entries())
      await scoreByRecall(line, layer, l, facts, sequence.rotary, now);
  const amounts = await keepPass(line, sequence.layers, allocated, now, sequence.encoder, observer);
  if (line !== sequence.method) return;
  sequence.amountsChanged = false;
  if (line.declaration.allocate.settles) sequence.allocated = amounts;
}
