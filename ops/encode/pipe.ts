/** Before rotary: keys are stored without positions, so that they can be read at any. A mark for `pipe`. */
import { neutral } from '../neutral.ts';
import type { Encoding } from './encoding.ts';

export const beforeRotary = {
  ...neutral('before-rotary', 'encode', 'before rotary'),
  transform: 'before rotary',
} as const;

/** Transforms, then a codec: what the codec sees is what the transforms give. */
export function pipe(...parts: readonly [typeof beforeRotary, Encoding]): Encoding {
  const [transform, codec] = parts;
  return {
    ...codec,
    neutral: false,
    name: `${transform.title}, ${codec.name}`,
    title: `${transform.title}, ${codec.title}`,
    stores: 'unrotated',
  };
}
