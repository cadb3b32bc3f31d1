/** A pipe: transforms, then a codec. What the codec sees is what the transforms give. */
import { neutral } from '../neutral.ts';
import { type Encoding, mixRows, type Transform, type Values } from './encoding.ts';

/** Before rotary: keys are stored without positions, so that they can be read at any. */
export const beforeRotary: Transform = {
  ...neutral('before-rotary', 'encode', 'before rotary'),
  transform: 'before rotary',
  stores: 'unrotated',
};

export function pipe(...parts: readonly [Transform, ...Transform[], Encoding]): Encoding {
  const codec = parts[parts.length - 1] as Encoding;
  const transforms = parts.slice(0, -1) as Transform[];
  const learns = transforms.some((t) => t.learn) || codec.learn !== undefined;
  return {
    ...codec,
    neutral: false,
    name: [...transforms.map((t) => t.transform), codec.name].join(', '),
    title: [...transforms.map((t) => t.title), codec.title].join(', '),
    stores: transforms.some((t) => t.stores) ? 'unrotated' : codec.stores,
    joint: codec.joint || transforms.some((t) => t.joint),
    needs: [...transforms, codec].flatMap((part) => part.needs),
    fits: [...transforms, codec].flatMap((part) => part.fits ?? []),
    codes: Object.assign({}, ...transforms.map((t) => t.codes), codec.codes),
    learn: learns
      ? (g, x, known, seen) => {
          let rows = x;
          const learnt: Record<string, Values[string]> = {};
          for (const t of transforms) {
            Object.assign(learnt, t.learn?.(g, rows, seen));
            rows = t.forward?.(g, rows, { ...known, ...learnt }) ?? rows;
          }
          return { ...learnt, ...codec.learn?.(g, rows, { ...known, ...learnt }, seen) };
        }
      : undefined,
    write: (g, x, known = {}) =>
      codec.write(
        g,
        transforms.reduce((rows, t) => t.forward?.(g, rows, known) ?? rows, x),
        known,
      ),
    read: (g, codes) => transforms.reduceRight((rows, t) => t.inverse?.(g, rows, codes) ?? rows, codec.read(g, codes)),
    dot: transforms.some((t) => t.inverse) ? undefined : codec.dot,
    mix: transforms.every((t) => !t.inverse || t.linear)
      ? (g, shares, codes) =>
          transforms.reduceRight((sum, t) => t.inverse?.(g, sum, codes) ?? sum, mixRows(g, codec, shares, codes))
      : undefined,
  };
}
