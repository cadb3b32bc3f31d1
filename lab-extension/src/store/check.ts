/** Checks for data from anybody. A check gives back a copy that holds what it names and nothing else, or throws. */

/** Takes a value and where it stands, for the message. */
export type Check<T> = (value: unknown, where: string) => T;

/** Throws with what was got and what is needed. */
export function refuse(where: string, got: unknown, needed: string): never {
  throw new Error(`${where} is ${shortened(got)}, ${needed} is needed`);
}

/** A text of at most so many characters, shown as it stands and never read as markup. */
export const text =
  (longest: number, form?: RegExp): Check<string> =>
  (value, where) => {
    if (typeof value !== 'string') return refuse(where, value, 'a text');
    if (value.length > longest) return refuse(where, value, `a text of at most ${longest} characters`);
    return !form || form.test(value) ? value : refuse(where, value, 'another form');
  };

/** A whole number between two ends, both included. */
export const whole =
  (most: number, least = 0): Check<number> =>
  (value, where) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? (value as number)
      : refuse(where, value, `a whole number from ${least} to ${most}`);

export const finite: Check<number> = (value, where) =>
  typeof value === 'number' && Number.isFinite(value) ? value : refuse(where, value, 'a finite number');

export const yesOrNo: Check<boolean> = (value, where) =>
  typeof value === 'boolean' ? value : refuse(where, value, 'true or false');

export const oneOf =
  <T extends string | number | boolean>(...known: readonly T[]): Check<T> =>
  (value, where) =>
    known.includes(value as T) ? (value as T) : refuse(where, value, `one of ${known.join(', ')}`);

/** The first check that holds. */
export const either =
  <A, B>(first: Check<A>, second: Check<B>): Check<A | B> =>
  (value, where) => {
    try {
      return first(value, where);
    } catch {
      return second(value, where);
    }
  };

/** A value that may be missing. */
export const optional =
  <T>(check: Check<T>): Check<T | undefined> =>
  (value, where) =>
    value === undefined ? undefined : check(value, where);

export const list =
  <T>(check: Check<T>, longest: number): Check<T[]> =>
  (value, where) => {
    if (!Array.isArray(value)) return refuse(where, value, 'a list');
    if (value.length > longest) return refuse(`${where}.length`, value.length, `at most ${longest}`);
    return Array.from(value, (item, i) => check(item, `${where}[${i}]`));
  };

/** An object with these fields; fields that are not named here are left out, fields of its prototype are not read. */
export const object =
  <T extends object>(fields: { [K in keyof Required<T>]: Check<T[K]> }): Check<T> =>
  (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(where, value, 'an object');
    const copy: Partial<T> = {};
    for (const key of Object.keys(fields) as (keyof T & string)[]) {
      const checked = fields[key](Object.hasOwn(value, key) ? (value as T)[key] : undefined, `${where}.${key}`);
      if (checked !== undefined) copy[key] = checked;
    }
    return copy as T;
  };

/** An object used as a table from names to values. */
export const table =
  <T>(names: RegExp, check: Check<T>, most: number): Check<Record<string, T>> =>
  (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(where, value, 'an object');
    const keys = Object.keys(value);
    if (keys.length > most) return refuse(`${where}.length`, keys.length, `at most ${most}`);
    const odd = keys.find((key) => !names.test(key) || key in Object.prototype);
    if (odd !== undefined) return refuse(`a key of ${where}`, odd, 'a plain name');
    return Object.fromEntries(
      keys.map((key) => [key, check((value as Record<string, unknown>)[key], `${where}.${key}`)]),
    );
  };

function shortened(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' || typeof value === 'function' || value === undefined) return typeof value;
  const words = String(value);
  return words.length > 40 ? `${words.slice(0, 40)}…` : words;
}
