/** The neutral element of a slot: it changes nothing and is drawn faint. */
import type { AnyDefinition, Bound, Kind } from './operator.ts';

export function neutral(name: string, kind: Kind, title: string): Bound {
  const definition: AnyDefinition = {
    name,
    kind,
    scope: 'model',
    title,
    params: {},
    inputs: {},
    outputs: {},
    reference: () => ({}),
    example: { inputs: {}, outputs: {} },
  };
  return { operator: definition, params: {}, title, needs: [], neutral: true };
}

/** Nothing is scored, or nothing is left behind by entries that leave. */
export const nothing: Bound = neutral('nothing', 'score', 'nothing');
/** One tier: everything lives on the device. */
export const oneTier: Bound = neutral('one-tier', 'place', 'one tier');
/** Every entry is read in every step. */
export const all: Bound = neutral('all', 'fetch', 'all');
