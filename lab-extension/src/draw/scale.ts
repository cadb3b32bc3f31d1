/** Scales and ticks: from numbers to pixels, and which round numbers to print. */

export interface Scale {
  (value: number): number;
  invert(pixel: number): number;
}

/** Linear from a domain to a range of pixels. */
export function linearScale([a, b]: readonly [number, number], [from, to]: readonly [number, number]): Scale {
  const slope = (to - from) / (b - a || 1);
  return Object.assign((value: number) => from + (value - a) * slope, {
    invert: (pixel: number) => a + (pixel - from) / slope,
  });
}

/** Three to six round ticks inside a domain. */
export function roundTicks([low, high]: readonly [number, number], wanted = 4): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = span / wanted;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((s) => s * unit >= raw * 0.999)! * unit;
  const whole = step >= 1 ? Math.ceil(step) : step;
  const ticks: number[] = [];
  for (let k = Math.ceil(low / whole - 1e-9); k * whole <= high + whole * 1e-9; k++)
    ticks.push(Number((k * whole).toPrecision(12)));
  return ticks;
}

/** Ticks of layers or heads: every fifth or tenth, and always the last one. */
export function indexTicks(count: number, every: number): number[] {
  const last = count - 1;
  const ticks = Array.from({ length: Math.ceil(count / every) }, (_, i) => i * every);
  return [...ticks.filter((tick) => last - tick >= every * 0.4 || (tick === 0 && last > 0)), last];
}

/** The next round number above a value. */
export function roundAbove(value: number): number {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((s) => s * unit >= value)! * unit;
}

/** A whole number with a comma between thousands. */
export function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
    .replace('-', '−');
}

/** A number with fixed decimals and a true minus sign; a dash where there is none. */
export function fixed(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals).replace('-', '−') : '–';
}

/** A share as whole per cent. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(share * 100)} %` : '–';
}

/** Bytes in MiB with two decimals. */
export function mebibytes(bytes: number): string {
  return fixed(bytes / 2 ** 20, 2);
}

/** Moving mean over the last `width` values, ignoring what is not a number. */
export function movingMean(values: readonly number[], width: number): number[] {
  return values.map((_, i) => {
    const part = values.slice(Math.max(0, i - width + 1), i + 1).filter(Number.isFinite);
    return part.length ? part.reduce((a, b) => a + b, 0) / part.length : Number.NaN;
  });
}
