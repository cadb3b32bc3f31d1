/** Everything: no zone has a limit. The neutral allocation. */
import { neutral } from '../neutral.ts';
import type { Allocation } from './allocation.ts';

export const everything: Allocation = { ...neutral('everything', 'allocate', 'everything'), allocate: () => new Map() };
