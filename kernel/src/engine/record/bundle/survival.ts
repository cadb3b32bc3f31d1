/** Replays the events of a run: how many heads hold each token after each step. */
import { type Columns, eventKinds, eventParts, type RunInfo } from '../frame.ts';

const readKind = eventKinds.indexOf('read');
const [keysPart, valuesPart] = [eventParts.indexOf('keys'), eventParts.indexOf('values')];
const gone = 255;

/** Calls `visit` after each step from the prompt (0) on, with the tokens seen and the heads holding each position. The
 *  array is the same each time. Every token enters every head at its step; a head holds it while it has its keys or its
 *  values. */
export function replayHolding(
  columns: Columns,
  info: RunInfo,
  visit: (step: number, seen: number, holding: Uint16Array) => void,
): void {
  const bornAt = columns['token.step']?.data;
  if (!bornAt || bornAt.length === 0) return;
  const tokens = bornAt.length;
  const heads = info.model.layers * info.model.kvHeads;
  const holding = new Uint16Array(tokens);
  // Two bits for each entry: keys held, values held.
  const parts = new Uint8Array(heads * tokens).fill(3);
  const event = (name: string) => columns[`event.${name}`]?.data;
  const [at, layer, kvHead, position, kind, part, to] = [
    event('step'),
    event('layer'),
    event('kvHead'),
    event('position'),
    event('kind'),
    event('part'),
    event('to'),
  ];
  let born = 0;
  let next = 0;
  const last = bornAt[tokens - 1]!;
  for (let step = 0; step <= last; step++) {
    while (born < tokens && bornAt[born]! <= step) holding[born++] = heads;
    for (; at && next < at.length && at[next]! <= step; next++) {
      if (kind![next] === readKind) continue;
      const entry = (layer![next]! * info.model.kvHeads + kvHead![next]!) * tokens + position![next]!;
      const before = parts[entry]!;
      const touched = part![next] === keysPart ? 1 : part![next] === valuesPart ? 2 : 3;
      const after = to![next] === gone ? before & ~touched : before | touched;
      if (before !== 0 && after === 0) holding[position![next]!]! -= 1;
      if (before === 0 && after !== 0) holding[position![next]!]! += 1;
      parts[entry] = after;
    }
    visit(step, born, holding);
  }
}

/** Rows of the step columns, one for each step: the last row that was written for it. */
export function rowsByStep(columns: Columns): number[] {
  const index = columns['step.index']?.data;
  const rows: number[] = [];
  index?.forEach((step, row) => {
    rows[step] = row;
  });
  for (let step = 0; step < rows.length; step++) rows[step] ??= rows[step - 1] ?? 0;
  return rows;
}
