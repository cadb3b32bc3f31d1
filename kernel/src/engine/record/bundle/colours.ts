/** Colours of the picture, on white paper: ink says how much, hue says which zone. */
import type { Colour } from './paint.ts';

const hex = (text: string): Colour => {
  const value = Number.parseInt(text, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
};

export const paper = hex('FFFFFF');
export const ink = hex('16181C');
export const ink2 = hex('4A4F57');
export const ink3 = hex('6B7079');
export const rule = hex('E3E5E8');
export const axis = hex('C9CCD1');
export const goneGround = hex('ECEEF1');
export const goneHatch = hex('D3D7DC');
export const slack = hex('8B9098');

const amounts = ['FFFFFF', 'ECE5CB', 'B9B592', '7B8286', '42587A', '00224E'].map(hex);

/** Colour of an amount between 0 (paper) and 1 (darkest). */
export function amountColour(amount: number): Colour {
  const at = Math.min(1, Math.max(0, amount || 0)) * (amounts.length - 1);
  const low = Math.min(amounts.length - 2, Math.floor(at));
  return mixed(amounts[low]!, amounts[low + 1]!, at - low);
}

const hues: readonly [RegExp, Colour][] = [
  [/sink/i, hex('9A2F78')],
  [/heavy|outlier/i, hex('D55E00')],
  [/recent|residual|window|near|local/i, hex('0072B2')],
  [/fresh/i, hex('C9D0D8')],
];
const otherHue = hex('00805D');

/** Hue of a zone by its name. */
export function zoneColour(zone: string): Colour {
  return hues.find(([names]) => names.test(zone))?.[1] ?? otherHue;
}

/** A colour between two, `share` of the way. */
export function mixed(from: Colour, to: Colour, share: number): Colour {
  const part = (i: 0 | 1 | 2) => Math.round(from[i] + (to[i] - from[i]) * share);
  return [part(0), part(1), part(2)];
}
