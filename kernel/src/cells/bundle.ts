/** Values as MIME bundles: how a result looks in a notebook. Every bundle has `text/plain`. */
import { inspect } from 'node:util';
import type { MimeBundle } from '../host.ts';
import { imageBundle } from './show/image.ts';
import { arrayBundle } from './show/numbers.ts';
import { tableBundle } from './show/table.ts';
import { cellError } from './traceback.ts';

/** Deno's convention, so that libraries that know it are shown as they wish. */
const displaySymbol = Symbol.for('Jupyter.display');

/** Text of a value without colours. */
export function plain(value: unknown): string {
  return inspect(value, { colors: false, depth: 4, maxArrayLength: 100, maxStringLength: 20_000 });
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return value !== null && (typeof value === 'object' || typeof value === 'function');
}

/** True for a plain object whose keys are all MIME types: it is a bundle already. */
export function isBundle(value: unknown): value is MimeBundle {
  if (!isObject(value) || Object.getPrototypeOf(value) !== Object.prototype) return false;
  const keys = Object.keys(value);
  return keys.length > 0 && keys.every((key) => /^[a-z]+\/[\w.+-]+$/.test(key));
}

function isPlotly(value: Record<PropertyKey, unknown>): boolean {
  const { data, layout } = value;
  const traces =
    Array.isArray(data) &&
    data.length > 0 &&
    data.every((one) => isObject(one) && ('type' in one || 'y' in one || 'z' in one));
  return (
    traces &&
    (layout === undefined || isObject(layout)) &&
    Object.keys(value).every((key) => ['data', 'layout', 'config', 'frames'].includes(key))
  );
}

function plotlyBundle(figure: Record<PropertyKey, unknown>): MimeBundle {
  const traces = figure.data as Record<string, unknown>[];
  const { title } = (figure.layout ?? {}) as { title?: string | { text?: string } };
  const name = typeof title === 'string' ? title : (title?.text ?? 'without a title');
  const kinds = traces.map(({ type, name: of }) => `${type ?? 'scatter'}${of ? ` "${of}"` : ''}`).join(', ');
  return {
    'application/vnd.plotly.v1+json': { layout: {}, config: { showSendToCloud: false, displaylogo: false }, ...figure },
    'text/plain': `plotly figure ${name}: ${kinds}`,
  };
}

/** The bundle of a value. Never throws: a value that cannot be shown is shown as the error that it gave. */
export async function bundleOf(value: unknown): Promise<MimeBundle> {
  try {
    if (!isObject(value)) return { 'text/plain': plain(value) };
    const own = value[displaySymbol];
    if (typeof own === 'function') {
      const bundle = (await own.call(value)) as MimeBundle;
      return { 'text/plain': plain(value), ...bundle };
    }
    if (value instanceof Error) return { 'text/plain': cellError(value).traceback.join('\n') };
    const special = imageBundle(value) ?? tableBundle(value) ?? arrayBundle(value);
    if (special) return special;
    if (isPlotly(value)) return plotlyBundle(value);
    if (typeof value.outerHTML === 'string') return { 'text/html': value.outerHTML, 'text/plain': plain(value) };
    return { 'text/plain': plain(value) };
  } catch (error) {
    return { 'text/plain': `[could not be shown: ${error instanceof Error ? error.message : String(error)}]` };
  }
}
