/** Typed arrays and tensors: shape, statistics and a corner instead of a wall of numbers. */
import type { MimeBundle } from '../../host.ts';

type Numbers = ArrayLike<number | bigint> & object;

const cornerRows = 4;
const cornerColumns = 6;
/** Short arrays are shown whole. */
const wholeUpTo = 32;

function isNumbers(value: unknown): value is Numbers {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** Data and shape of a typed array, or of anything that has `data` with `dims` or `shape`. */
function numbersOf(value: object): { data: Numbers; shape: readonly number[]; name: string } | undefined {
  if (isNumbers(value)) return { data: value, shape: [value.length], name: value.constructor.name };
  // A tensor on a GPU throws when its data is read.
  if ('location' in value && value.location !== 'cpu') return undefined;
  const { dims, shape } = value as { dims?: unknown; shape?: unknown };
  const sizes = Array.isArray(dims) ? dims : Array.isArray(shape) ? shape : undefined;
  const data = sizes && (value as { data?: unknown }).data;
  if (!sizes || !isNumbers(data) || !sizes.every((n) => Number.isInteger(n))) return undefined;
  if (sizes.reduce((product: number, n: number) => product * n, 1) !== data.length) return undefined;
  const type = (value as { type?: unknown }).type;
  return { data, shape: sizes, name: typeof type === 'string' ? `tensor ${type}` : 'tensor' };
}

function short(value: number | bigint): string {
  if (typeof value === 'bigint' || Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3
    ? value.toExponential(3)
    : String(Number(value.toPrecision(4)));
}

function statistics(data: Numbers): string {
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let missing = 0;
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    if (Number.isNaN(value)) {
      missing += 1;
      continue;
    }
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  const count = data.length - missing;
  if (count === 0) return missing > 0 ? `${missing} NaN` : 'empty';
  return `min ${short(min)}, max ${short(max)}, mean ${short(sum / count)}${missing > 0 ? `, ${missing} NaN` : ''}`;
}

function row(data: Numbers, from: number, length: number, shown: number): string {
  const cells = Array.from({ length: Math.min(length, shown) }, (_, i) => short(data[from + i]!));
  return cells.join(', ') + (length > shown ? ', …' : '');
}

/** Statistics and a corner; undefined for what is not numeric. */
export function arrayBundle(value: object): MimeBundle | undefined {
  const numbers = numbersOf(value);
  if (!numbers) return undefined;
  const { data, shape, name } = numbers;
  const head = `${name} [${shape.join(', ')}] ${statistics(data)}`;
  const columns = shape.at(-1) ?? data.length;
  const rows = columns > 0 ? data.length / columns : 0;
  const width = rows <= 1 && data.length <= wholeUpTo ? wholeUpTo : cornerColumns;
  const lines = Array.from(
    { length: Math.min(rows, cornerRows) },
    (_, n) => `  ${row(data, n * columns, columns, width)}`,
  );
  if (rows > cornerRows) lines.push(`  … ${rows - cornerRows} more rows`);
  return { 'text/plain': [head, ...lines].join('\n') };
}
