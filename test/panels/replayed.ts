/** A recorded run cut into frames as they were sent: one for each step, its state columns, known only from its end, with the last. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  type Columns,
  columnCatalogue,
  decodeFrame,
  encodeFrame,
  type Frame,
  graphColumns,
  readColumns,
} from 'kvlab/frame';
import { openRun } from '../../kernel/src/engine/record/arrow.ts';

/** The runs in fixtures/recorded. */
export type RecordedName = 'h2o' | 'kivi' | 'comparison' | 'quest' | 'tree';

export function recordedSnapshot(name: RecordedName): Frame {
  const path = join(import.meta.dirname, '../../fixtures/recorded', `${name}.arrow.gz`);
  const { header, buffer } = openRun(gunzipSync(readFileSync(path)));
  return { header: { ...header, run: name, info: { ...header.info!, run: name, recorded: true } }, buffer };
}

/** Frames of a snapshot up to a step; a part of a run is still running. */
export function* framesOf({ header, buffer }: Frame, until = Number.POSITIVE_INFINITY): Generator<Frame> {
  // Free texts follow the judged tokens and count their steps anew, so a comparison is sent whole.
  if (header.info?.comparison) return yield { header: { ...header, snapshot: true }, buffer };
  const columns = decodeFrame(header, buffer);
  const last = header.step;
  const starts = new Map<string, number>();
  const { columns: _, ...rest } = header;
  for (let step = 0; step <= Math.min(last, until); step++) {
    const part: Columns = {};
    let texts = header.texts.slice(0, 0);
    for (const [name, column] of Object.entries(columns)) {
      if (column.lane === 'state') {
        if (step === last) part[name] = column;
        continue;
      }
      const from = starts.get(name) ?? 0;
      const to = rowsUntil(columns, name, step);
      starts.set(name, to);
      const width = column.shape.slice(1).reduce((product, n) => product * n, 1);
      if (to > from || step === 0)
        part[name] = {
          lane: 'log',
          shape: [to - from, ...column.shape.slice(1)],
          data: column.data.slice(from * width, to * width),
        };
      if (name === 'token.id') texts = header.texts.slice(from, to);
    }
    const ended = step === last;
    yield encodeFrame(
      {
        ...rest,
        seq: step + 1,
        merged: 0,
        snapshot: step === 0,
        step,
        state: ended ? header.state : 'running',
        texts,
      },
      part,
    );
  }
}

/** Columns that say to which step a row belongs, by the letter of the rows. */
const stepColumns: Readonly<Record<string, string>> = {
  n: 'token.step',
  S: 'step.index',
  E: 'event.step',
  Q: 'rank.step',
  M: 'move.step',
  R: 'dense.step',
  N: 'node.step',
  K: 'link.step',
  G: 'graph.step',
};
/** Columns that say how many rows each row of another kind has. */
const countColumns: Readonly<Record<string, string>> = { F: 'fetch.pages', V: 'dense.tokens' };
const declared: Readonly<Record<string, { shape: string } | undefined>> = {
  ...columnCatalogue,
  ...readColumns,
  ...graphColumns,
};

/** Rows of a log column up to a step. */
function rowsUntil(columns: Columns, name: string, step: number): number {
  const letter = declared[name]!.shape.split(' ')[0]!;
  // Labels are bytes, each label closed by a zero.
  if (letter === 'bytes') {
    const labels = columns[name]!.data;
    let at = 0;
    for (let left = rowsUntil(columns, 'node.kind', step); left > 0; at++) if (labels[at] === 0) left -= 1;
    return at;
  }
  const counts = countColumns[letter];
  if (counts) {
    const { data, shape } = columns[counts]!;
    const width = data.length / shape[0]!;
    const counted = rowsUntil(columns, counts, step) * width;
    let sum = 0;
    for (let row = 0; row < counted; row++) sum += data[row]!;
    return sum;
  }
  const steps = columns[stepColumns[letter]!]?.data ?? [];
  let rows = 0;
  while (rows < steps.length && steps[rows]! <= step) rows++;
  return rows;
}
