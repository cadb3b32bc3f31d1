/** Reads the sizes of dimension letters off the inputs of an operator, and refuses inputs that disagree. */
import type { AnyDefinition, Sizes, Spec } from '@kvlab/ops';

const meaning: Readonly<Record<string, string>> = {
  L: 'layers',
  Hq: 'query heads',
  Hkv: 'key heads',
  G: 'query heads in each group',
  Q: 'new queries',
  T: 'entries',
  N: 'segments',
  B: 'batches',
  D: 'numbers in a head',
  X: 'hidden numbers',
  R: 'ranks',
  V: 'words of the vocabulary',
};
/** Letters that a graph holds as numbers; the others vary from call to call in one session. */
const fixed = ['L', 'Hq', 'Hkv', 'G', 'D', 'X', 'R', 'V'];

export interface Shaped {
  readonly dims: readonly number[];
}
interface Seen {
  size: number;
  name: string;
  dims: readonly number[];
}

export const show = (dims: readonly (string | number)[]): string => `[${dims.join(', ')}]`;

/** Sizes of all letters that the inputs show or the caller says. `given` may lack states, which then start afresh. */
export function readSizes(
  operator: AnyDefinition,
  given: Readonly<Record<string, Shaped>>,
  said: Sizes = {},
): Record<string, number> {
  const { name: owner, inputs, made = {}, state = {} } = operator;
  const specs: Readonly<Record<string, Spec>> = { ...inputs, ...state };
  const takes = Object.entries(specs).map(
    ([n, { dims }]) => `${n} ${show(dims)}${n in state ? ' (state)' : n in made ? ' (made where it is left out)' : ''}`,
  );
  for (const name of Object.keys(given))
    if (!(name in specs)) throw new TypeError(`${owner}: there is no input ${name}; it takes ${takes.join(', ')}`);

  const seen = new Map<string, Seen>();
  for (const [name, spec] of Object.entries(specs)) {
    const input = given[name];
    if (!input) {
      if (name in state || name in made) continue;
      throw new TypeError(`${owner}: input ${name} is missing; it takes ${takes.join(', ')}`);
    }
    const { dims } = input;
    if (dims.length !== spec.dims.length)
      throw new RangeError(
        `${owner}: ${name} is ${show(dims)} but needs the ${spec.dims.length} axes ${show(spec.dims)}; nest or flatten its lists`,
      );
    spec.dims.forEach((letter, axis) => {
      const size = dims[axis]!;
      if (typeof letter === 'number') {
        if (letter !== size)
          throw new RangeError(`${owner}: ${name} is ${show(dims)} but axis ${axis} must be ${letter}; cut or fill it`);
        return;
      }
      const before = seen.get(letter);
      if (!before) seen.set(letter, { size, name, dims });
      else if (before.size !== size) throw disagreement(owner, letter, before, { size, name, dims }, state[name]);
    });
  }

  const sizes: Record<string, number> = { ...said };
  for (const [letter, { size, name, dims }] of seen) {
    if (said[letter] !== undefined && said[letter] !== size)
      throw new RangeError(
        `${owner}: sizes says ${letter} ${said[letter]}, but ${name} is ${show(dims)} with ${letter} ${size}; leave ${letter} out of sizes`,
      );
    sizes[letter] = size;
  }
  groups(owner, sizes);
  const results = Object.values(operator.outputs).concat(Object.values(specs));
  for (const letter of results.flatMap(({ dims }) => dims))
    if (typeof letter === 'string' && fixed.includes(letter) && sizes[letter] === undefined && letter !== 'R')
      throw new TypeError(
        `${owner}: no input shows ${letter}, the number of ${meaning[letter]}; give it as sizes: { ${letter}: … }`,
      );
  return sizes;
}

/** Completes Hq = Hkv * G where two of the three are known. */
function groups(owner: string, sizes: Record<string, number>): void {
  const { Hq, Hkv, G } = sizes;
  if (Hq !== undefined && Hkv !== undefined) {
    if (Hkv === 0 || Hq % Hkv !== 0)
      throw new RangeError(
        `${owner}: ${Hq} query heads cannot share ${Hkv} key heads equally; give a multiple of ${Hkv} query heads`,
      );
    sizes.G = Hq / Hkv;
  } else if (Hq !== undefined && G !== undefined) sizes.Hkv = Hq / G;
  else if (Hkv !== undefined && G !== undefined) sizes.Hq = Hkv * G;
}

function disagreement(owner: string, letter: string, a: Seen, b: Seen, state?: Spec): RangeError {
  const difference = Math.abs(a.size - b.size);
  const plural = (noun: string) => `${words[difference] ?? difference} ${noun}${difference === 1 ? '' : 's'}`;
  const start = state?.start ?? 0;
  const fresh = start === 0 ? (difference === 1 ? 'a zero' : 'zeros') : String(start);
  const fix =
    state && letter === 'T'
      ? b.size < a.size
        ? `Pass ${fresh} for the ${plural('new key').replace(/^one /, '')}.`
        : `Leave out the ${plural('key').replace(/^one /, '')} that left.`
      : `Give both the same number of ${meaning[letter] ?? letter}.`;
  return new RangeError(
    `${owner}: ${a.name} is ${show(a.dims)} but ${b.name} is ${show(b.dims)}; ${letter} differs by ${difference}. ${fix}`,
  );
}
const words = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];

/** The sizes that a session is built for. */
export function fixedSizes(sizes: Sizes): Record<string, number> {
  return Object.fromEntries(fixed.flatMap((letter) => (sizes[letter] === undefined ? [] : [[letter, sizes[letter]]])));
}
