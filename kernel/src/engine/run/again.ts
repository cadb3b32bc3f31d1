/** Runs tokens behind a hole once more, so that they forget what has left. */
import { evict } from '../cache/layer.ts';
import type { CacheEvent, Observer } from '../keep/observer.ts';
import { type DueLine, keepIfDue, keepNow, type Occasion } from './due.ts';
import { feed } from './feed.ts';
import type { Sequence } from './sequence.ts';

/** An observer that remembers which positions left, and tells another one everything. */
export function holeObserver(
  observer: Observer | undefined,
): Observer & { hole(): { from: number; to: number } | undefined } {
  let [from, to] = [Number.POSITIVE_INFINITY, 0];
  return {
    event(event) {
      if (event.kind === 'leave') [from, to] = [Math.min(from, event.position), Math.max(to, event.position + 1)];
      observer?.event(event);
    },
    written: (rows) => observer?.written(rows),
    hole: () => (to > from ? { from, to } : undefined),
  };
}

/** Feeds again what the method's pass says of this hole. Gives the last logits [V], or undefined where nothing ran.
 *  It is short and not interrupted: in the middle of it the cache lacks what is being fed. */
export async function runAgain(
  sequence: Sequence,
  due: DueLine,
  hole: { from: number; to: number },
  observer: Observer | undefined,
): Promise<Float32Array | undefined> {
  const { passes, segment } = sequence.method.declaration;
  const end = sequence.ids.length;
  const { from, to } = passes?.after?.(hole, end) ?? { from: end, to: end };
  if (from >= to) return undefined;
  const ids = sequence.ids.slice(from);
  const turns = sequence.turns.slice(from);
  const zones = zonesFrom(sequence, from);
  forgetFrom(sequence, from);
  let logits: Float32Array | undefined;
  for (let fed = 0; fed < ids.length; fed += chunk)
    logits = await feed(sequence, ids.slice(fed, fed + chunk), { rows: 'last' });
  sequence.turns.splice(from, turns.length, ...turns);
  await keepNow(sequence, due, segment?.cut(sequence.pieces) ?? []);
  const now = zonesFrom(sequence, from);
  for (const [name, event] of zones) observer?.event({ ...event, kind: 'rerun', to: now.get(name)!.from });
  return logits;
}

const chunk = 128;

/** An event for each entry of a head from a position on, told from the zone in which it is. */
function zonesFrom({ layers }: Sequence, position: number): Map<string, CacheEvent> {
  const found = new Map<string, CacheEvent>();
  for (const [layer, { tables }] of layers.entries())
    for (const [kvHead, table] of tables.entries())
      for (let e = 0; e < table.count; e++) {
        const at = table.position[e]!;
        const from = table.zone.keys[e]!;
        const plain = { part: 'both', to: from, into: -1, score: Number.NaN, rank: -1 } as const;
        if (at >= position)
          found.set(`${layer} ${kvHead} ${at}`, { kind: 'move', layer, kvHead, position: at, from, ...plain });
      }
  return found;
}

/** Runs the keep line that is due, and what its method wants to run after that. Logits [V] where something ran. */
export async function keepAndRunAgain(
  sequence: Sequence,
  occasions: readonly Occasion[],
  observer: Observer | undefined,
): Promise<Float32Array<ArrayBuffer> | undefined> {
  if (!sequence.method.declaration.passes?.after) {
    await keepIfDue(sequence, occasions, observer);
    return undefined;
  }
  const watching = holeObserver(observer);
  const due = await keepIfDue(sequence, occasions, watching);
  const hole = watching.hole();
  if (!due || !hole) return undefined;
  return (await runAgain(sequence, due, hole, observer)) as Float32Array<ArrayBuffer> | undefined;
}

/** Takes everything from a position on out of the cache, as if it had not been fed. */
export function forgetFrom(sequence: Sequence, position: number): void {
  for (const layer of sequence.layers)
    layer.tables.forEach((table, h) => {
      for (let e = table.count - 1; e >= 0; e--) if (table.position[e]! >= position) evict(layer, h, e);
    });
  for (const list of [sequence.ids, sequence.pieces, sequence.nll, sequence.turns])
    list.length = Math.min(list.length, position);
}
