/** Options of a method, checked against their defaults: a number that is none would otherwise select silently. */

/** Refuses options of the wrong kind or below zero, naming the method and what to give. */
export function checkOptions(owner: string, defaults: object, given: object): void {
  const known = defaults as Readonly<Record<string, unknown>>;
  for (const [option, value] of Object.entries(given)) checkLike(owner, option, known[option], value);
}

function checkLike(owner: string, option: string, like: unknown, value: unknown): void {
  const refuse = (want: string) => new RangeError(`${owner}: ${option} is ${shown(value)}; give ${want}`);
  if (option === 'when') checkWhen(value, refuse);
  else if (typeof like === 'number') {
    if (typeof value !== 'number' || Number.isNaN(value) || value < 0) throw refuse('a number from 0 on');
    // Where the default counts something, a share of the prompt may stand for it, and nothing in between.
    const counts = Number.isInteger(like) && like >= 2;
    if (counts && value > 1 && Number.isFinite(value) && !Number.isInteger(value)) throw refuse('a whole number');
  } else if (typeof like === 'boolean') {
    if (typeof value !== 'boolean') throw refuse('true or false');
  } else if (Array.isArray(like)) {
    const numbers = Array.isArray(value) && value.every((v) => typeof v === 'number' && !Number.isNaN(v));
    if (typeof like[0] === 'number' && !numbers) throw refuse('a list of numbers');
  } else if (like && typeof like === 'object' && !('operator' in like)) {
    if (!value || typeof value !== 'object') throw refuse(`an object like ${JSON.stringify(like)}`);
    const own = like as Readonly<Record<string, unknown>>;
    for (const [name, inner] of Object.entries(value)) {
      if (!(name in own))
        throw new RangeError(`${owner}: ${option} has no ${name}; it has ${Object.keys(own).join(', ')}`);
      checkLike(owner, `${option}.${name}`, own[name], inner);
    }
  }
}

const occasions = ['prompt', 'chunk', 'step', 'segment end', 'before attention'];

function checkWhen(value: unknown, refuse: (want: string) => RangeError): void {
  const fits = (w: unknown): boolean =>
    typeof w === 'string'
      ? occasions.includes(w)
      : typeof w === 'object' && w !== null && Number.isInteger((w as { every?: unknown }).every) && (w as { every: number }).every >= 1; // biome-ignore format: one line
  if (![value].flat().every(fits)) throw refuse(`some of ${occasions.join(', ')} or { every: n }`);
}

const shown = (value: unknown): string =>
  typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
