/** Everything that no earlier rule took, unless the allocation limits it: then the newest of it. */
import { newest } from './last.ts';
import { rule } from './rule.ts';

export const rest = rule({ ...newest, name: 'rest', byPosition: false });
