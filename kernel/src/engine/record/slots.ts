/** The eight slots of a method as panels draw them, each with the file of its operator. */
import { type Bound, type Method, operators } from '@kvlab/ops';
import type { RunInfo, SlotName } from './frame.ts';

export function slotsOf(method: Method): RunInfo['method']['slots'] {
  return method.slots.map((slot) => ({ ...slot, ...fileOf(method, slot.slot) }));
}

/** The file of the operator that fills a slot; none for an operator that a cell declared. */
function fileOf(method: Method, slot: SlotName): { file?: string } {
  const bound = slot === 'encode' ? loudEncoding(method) : loudOf(method, slot);
  if (!bound || bound.neutral) return {};
  // Not every slot is filled by an operator with a graph of its own.
  const { kind, name } = ((bound as { operator?: unknown }).operator ?? {}) as { kind?: string; name?: string };
  if (!kind || !name) return {};
  const listed = Object.values(operators).map((own) => ('definition' in own ? own.definition : own));
  if ((kind === 'score' || kind === 'compensate') && !listed.some((own) => own.name === name)) return {};
  // Selections are put together in one file, whichever rules they take.
  return { file: `ops/${kind}/${kind === 'select' ? 'zones' : name}.ts` };
}

/** What fills a slot; of the slots that are filled zone by zone, the first that does anything. */
function loudOf(
  { zones, declaration, placeOf, fetchOf }: Method,
  slot: Exclude<SlotName, 'encode'>,
): Bound | undefined {
  if (slot === 'place') return zones.map(placeOf).find(({ neutral }) => !neutral);
  if (slot === 'fetch') return zones.map(fetchOf).find(({ neutral }) => !neutral);
  return declaration[slot];
}

function loudEncoding(method: Method) {
  return method.zones
    .slice(1)
    .flatMap((zone) => [method.encodingOf(zone, 'keys'), method.encodingOf(zone, 'values')])
    .find((encoding) => !encoding.neutral);
}
