/** On the device: rows stay where they enter the runtime, and pages have summaries by which a fetch chooses. */
import { neutral, oneTier } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import type { Place } from './place.ts';

export const onDevice = ({ summary }: { summary: Bound }): Place => ({
  ...oneTier,
  ...neutral('on-device', 'place', `on the device, ${summary.title} of each page`),
  neutral: false,
  summary,
});
