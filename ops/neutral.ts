/** The neutral element of a slot: it changes nothing and is drawn faint. */
import type { Fetch } from './fetch/fetch.ts';
import type { AnyDefinition, Bound, Kind } from './operator.ts';
import type { Place } from './place/place.ts';

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
export const oneTier: Place = {
  ...neutral('one-tier', 'place', 'one tier'),
  tier: 'device',
  pool: 0,
  hostBytes: Number.POSITIVE_INFINITY,
  disk: false,
};
/** Every entry is read in every step. */
export const all: Fetch = {
  ...neutral('all', 'fetch', 'all'),
  pages: Number.POSITIVE_INFINITY,
  entries: () => Number.POSITIVE_INFINITY,
  fromLayer: 0,
  answerOnly: false,
};
