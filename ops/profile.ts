/** A profile: whose settings a method takes where the paper, its authors' code and kvpress differ.
 *
 *  A method that knows profiles has an option of that name. The defaults are the paper's; what another source sets otherwise
 *  is a table of options in the declaration, and options that are given stand above the table. */
import type { Rounding } from './allocate/amount.ts';
import type { When } from './method.ts';

export type Profile = 'paper' | 'authors' | 'kvpress';
/** A table for each profile but the paper's. */
export type Profiles<O> = O extends { profile: infer P extends Profile }
  ? Readonly<Record<Exclude<P, 'paper'>, Partial<Omit<O, 'profile'>>>>
  : never;

/** Options of a method that is a press in kvpress too. */
export const asPress = { profile: 'paper' as 'paper' | 'kvpress', rounding: 'nearest' as Rounding };
/** An option of a method whose authors' code differs from the paper. */
export const asCode = { profile: 'paper' as 'paper' | 'authors' };
/** Once, when the prompt is read. */
export const once: readonly When[] = ['prompt'];
/** After each chunk of the prompt and after each step. */
export const always: readonly When[] = ['chunk', 'step'];
/** After the prompt and, while text is written, every 512 steps. */
export const nowAndThen: readonly When[] = ['prompt', { every: 512 }];

/** What all presses of NVIDIA kvpress 0.5.5 share: they act once, when the prompt is read, and round shares down. */
export const onceAsKvpress: { readonly when: readonly When[]; readonly rounding: 'down' } = {
  when: once,
  rounding: 'down',
};

/** What the profile that is asked for sets; nothing for the paper's. Throws for one that the method does not know. */
export function profileOptions(owner: string, given: { profile?: unknown }, profiles: object | undefined): object {
  const known: Readonly<Record<string, object>> = { paper: {}, ...profiles };
  const { profile = 'paper' } = given;
  const found = typeof profile === 'string' && Object.hasOwn(known, profile) ? known[profile] : undefined;
  if (!found)
    throw new Error(
      `${owner}: there is no profile ${JSON.stringify(profile)}; there is ${Object.keys(known).join(', ')}`,
    );
  return found;
}
