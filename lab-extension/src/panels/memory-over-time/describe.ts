/** Memory over time in words: what is held, of which budget or full cache, and what is claimed. */
import { mebibytes, percent, whole } from '../../draw/scale.ts';
import { logColumn, promptRead, type Run } from '../../store/run.ts';
import { cellWithH2o } from '../cells-to-insert.ts';
import { type Phrase, type Said, saysNoRun, saysNotRecorded, saysReading, tableOf } from '../words.ts';
import { type MemoryDrawing, payloadAt, valueAt } from './encode.ts';

export function describeMemory(
  run: Run | undefined,
  memory: MemoryDrawing | undefined,
  view: 'held' | 'claimed',
): Said {
  if (!run) return saysNoRun('This panel stacks the bytes that live buffers really hold, step by step.', cellWithH2o);
  const read = promptRead(run);
  if (!memory && read !== undefined) return saysReading(run, read);
  if (!memory) return saysNotRecorded(run.info.method.name, 'This run sends no bytes. Generate with record: true.');
  const { row } = memory;
  const held = memory.held[row]!;
  const claimed = valueAt(memory.claimed, row);
  return {
    subtitle: view,
    caption: view === 'held' ? aboutHeld(memory, row) : aboutClaimed(held, claimed),
    table: () =>
      tableOf(
        [
          'step',
          'tokens seen',
          ...memory.bands.map((band) => `${band.name}, bytes`),
          'held',
          'claimed',
          'budget',
          'full',
        ],
        memory.seen
          .map((seen, r) => [
            String(logColumn(run, 'step.index')?.data[r] ?? r),
            String(seen),
            ...memory.bands.map((band) => whole(band.bytes[r]!)),
            whole(memory.held[r]!),
            ...[memory.claimed, memory.budget, memory.full].map((v) =>
              Number.isFinite(valueAt(v, r)) ? whole(valueAt(v, r)) : '–',
            ),
          ])
          .reverse(),
      ),
    facts: { bytesHeld: held, bytesClaimed: claimed, bytesFull: valueAt(memory.full, row) },
  };
}

function aboutHeld(memory: MemoryDrawing, row: number): Phrase[] {
  const held = memory.held[row]!;
  const payload = payloadAt(memory, row);
  const budget = valueAt(memory.budget, row);
  const claimed = valueAt(memory.claimed, row);
  const full = valueAt(memory.full, row);
  const phrases: Phrase[] = [{ text: 'Held ' }, { text: `${mebibytes(held)} MiB`, strong: true }];
  if (Number.isFinite(budget))
    phrases.push({
      text: `: payload ${mebibytes(payload)} of a ${mebibytes(budget)} MiB budget, slack and index ${mebibytes(held - payload)}`,
    });
  else if (Number.isFinite(full))
    phrases.push({ text: ` at ${memory.seen[row]} tokens, ${percent(held / full)} of the full cache` });
  if (Number.isFinite(claimed)) phrases.push({ text: `; claimed ${mebibytes(claimed)} at 16 bits` });
  phrases.push({ text: '.' });
  return phrases;
}

function aboutClaimed(held: number, claimed: number): Phrase[] {
  if (!Number.isFinite(claimed)) return [{ text: 'This method claims no size of its own.' }];
  return [
    { text: 'The formula of the paper claims ' },
    { text: `${mebibytes(claimed)} MiB`, strong: true },
    { text: ` at 16 bits; live buffers hold ${mebibytes(held)}, ${(held / claimed).toFixed(2)} times as much.` },
  ];
}
