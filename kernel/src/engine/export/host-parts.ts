/** What a graph cannot say: parts of a method that run on the host. */
import type { Method } from '@kvlab/ops';
import { partsOf } from '../keep/parts.ts';

/** Throws where a part of the method is a host operator, naming its slot and what it is. */
export function refuseHostParts({ name, declaration, zones, placeOf, fetchOf }: Method): void {
  const { passes, segment, allocate, score, select } = declaration;
  const refuse = (slot: string, what: string, fix: string): never => {
    throw new Error(`export: ${name} cannot be a graph, since ${slot} ${what} runs on the host; ${fix}`);
  };
  if (passes) refuse('passes', passes.title, 'export the method without its pass');
  if (segment) refuse('segment', segment.title, 'choose a method that does not cut the text');
  for (const zone of zones) {
    const [place, fetch] = [placeOf(zone), fetchOf(zone)];
    if (!place.neutral) refuse('place', place.title, 'choose a method whose rows stay on the device');
    if (!fetch.neutral) refuse('fetch', fetch.title, 'choose a method that reads everything');
  }
  if (allocate.reads || allocate.fits?.length)
    refuse('allocate', allocate.title, 'choose amounts that positions and prompt length decide');
  for (const part of partsOf(score))
    if (!part.score.operator.graph) refuse('score', part.score.title, 'choose a score that has a graph');
  for (const { zone, rule } of [...select.keys, ...select.values])
    if (!rule.graph) refuse('select', `${rule.title} (zone ${zone})`, 'choose a rule that has a graph');
}
