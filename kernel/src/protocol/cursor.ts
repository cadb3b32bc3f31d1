/** Cursor positions: Jupyter counts code points, JavaScript UTF-16 units. They differ after the first emoji. */

/** UTF-16 offset of the given number of code points; stays inside the text. */
export function toUnits(text: string, codePoints: number): number {
  let units = 0;
  for (let n = 0; n < codePoints && units < text.length; n++) units += text.codePointAt(units)! > 0xffff ? 2 : 1;
  return units;
}

/** Code points before the given UTF-16 offset. */
export function toCodePoints(text: string, units: number): number {
  let codePoints = 0;
  for (let at = 0; at < Math.min(units, text.length); codePoints++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return codePoints;
}
