/** Packed: logits come straight from the codes of a store whose encoding knows how to multiply with them. */
import { neutral } from '../neutral.ts';
import { type Attend, rows } from './rows.ts';

export const packed = (): Attend => ({
  ...rows(),
  ...neutral('packed', 'attend', 'products with codes'),
  neutral: false,
  reads: 'codes',
});
