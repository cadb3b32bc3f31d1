/** How numbers are written: shares in whole percent or, below one, in one digit, bytes in binary units with two decimals, counts with commas. */

export function counted(n: number, noun = ''): string {
  const text = Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
  return noun ? `${text} ${noun}${n === 1 ? '' : 's'}` : text;
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 1 ? Number(value.toPrecision(1)) : Math.round(value)} %`;
}

/** Bytes in the largest binary unit that leaves at least one before the point. */
export function binaryBytes(bytes: number): string {
  const [unit, size] = unitOf(bytes);
  return size === 1 ? `${counted(bytes)} B` : `${(bytes / size).toFixed(2)} ${unit}`;
}

/** Unit that suits a number of bytes, and its size. */
export function unitOf(bytes: number): [unit: string, size: number] {
  if (bytes >= 2 ** 30) return ['GiB', 2 ** 30];
  if (bytes >= 2 ** 20) return ['MiB', 2 ** 20];
  return bytes >= 2 ** 10 ? ['KiB', 2 ** 10] : ['B', 1];
}
