/** Stack traces that point into cells: `In [3]:4:7`, frames of the kernel left out. */
import { SourceMap } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { CellError, CompiledCell } from './wire.ts';

interface Traced {
  cell: CompiledCell;
  map?: SourceMap;
}

const cells = new Map<string, Traced>();
const ownFolder = dirname(fileURLToPath(import.meta.url));
const runFile = new URL('./run.js', import.meta.url).href;

/** Remembers a cell, so that its frames can be mapped. */
export function trace(cell: CompiledCell): void {
  cells.set(cell.file, { cell });
}

/** Version of the local files that a cell imports, by the file name of the cell. */
export function tracedVersion(file: string): number | undefined {
  return cells.get(file)?.cell.version;
}

/** Line and column, from 1, in the user's text. */
function sourcePosition(traced: Traced, line: number, column: number): { line: number; column: number } {
  traced.map ??= new SourceMap(JSON.parse(traced.cell.map));
  // Entries count from 0.
  const entry = traced.map.findEntry(line - 1, column - 1);
  if (!('originalLine' in entry)) return { line, column };
  const at = { line: entry.originalLine + 1, column: entry.originalColumn };
  let shift = 0;
  for (const insert of traced.cell.inserts) {
    if (insert.line !== at.line) continue;
    if (insert.column + shift > at.column) break;
    shift += Math.min(insert.length, at.column - insert.column - shift);
  }
  return { line: at.line, column: at.column - shift + 1 };
}

function isOurs(file: string): boolean {
  return (
    file.startsWith(ownFolder) ||
    file.startsWith(`file://${ownFolder}`) ||
    file.startsWith('node:internal/') ||
    file === 'node:vm'
  );
}

function frameText(site: NodeJS.CallSite): string | undefined {
  const file = site.getFileName() ?? '';
  if (isOurs(file)) return undefined;
  const traced = cells.get(file);
  const line = site.getLineNumber();
  const column = site.getColumnNumber();
  if (!traced || line === null || column === null) return `    at ${site}`;
  const at = sourcePosition(traced, line, column);
  const place = `${traced.cell.label}:${at.line}:${at.column}`;
  const type = site.getTypeName();
  const called = site.getMethodName() ?? site.getFunctionName();
  const name = called && type && type !== 'Object' && !site.isToplevel() ? `${type}.${called}` : site.getFunctionName();
  return name ? `    at ${site.isAsync() ? 'async ' : ''}${name} (${place})` : `    at ${place}`;
}

/** Makes every `error.stack` of this process readable. */
export function installTraces(): void {
  Error.prepareStackTrace = (error, sites) => {
    let head: string;
    try {
      head = Error.prototype.toString.call(error);
    } catch {
      head = 'Error';
    }
    // Below the start of a cell there is only the kernel.
    const bottom = sites.findIndex((site) => site.getFileName() === runFile);
    const frames = sites
      .slice(0, bottom < 0 ? undefined : bottom)
      .map(frameText)
      .filter((text) => text !== undefined);
    return [head, ...frames].join('\n');
  };
}

/** The lines around the place in a cell where the error was made. */
function excerpt(stack: string): string[] {
  const place = /(In \[[^\]]*\]):(\d+):(\d+)/.exec(stack);
  const traced = place && [...cells.values()].findLast(({ cell }) => cell.label === place[1]);
  if (!place || !traced) return [];
  const line = Number(place[2]);
  const source = traced.cell.source.split('\n');
  const lines = ['', `${place[1]}:${line}`];
  for (let n = Math.max(1, line - 2); n <= Math.min(source.length, line + 1); n++) {
    lines.push(`${n === line ? '>' : ' '} ${String(n).padStart(3)} | ${source[n - 1]}`);
    if (n === line) lines.push(`      | ${' '.repeat(Number(place[3]) - 1)}^`);
  }
  return lines;
}

/** An error in the form of a Jupyter message. Anything may be thrown, so nothing is taken for granted. */
export function cellError(thrown: unknown): CellError {
  if (!(thrown instanceof Error) && typeof (thrown as Error | null)?.stack !== 'string') {
    const text = inspect(thrown, { colors: false });
    return { ename: 'Thrown', evalue: text, traceback: [`Thrown: ${text}`] };
  }
  const error = thrown as Error;
  const stack = String(error.stack ?? error);
  const traceback = [...stack.split('\n'), ...excerpt(stack)];
  for (let cause = error.cause, depth = 0; cause !== undefined && depth < 5; depth++) {
    const text = cause instanceof Error ? String(cause.stack) : inspect(cause, { colors: false });
    traceback.push('', `Caused by: ${text}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  if (error instanceof AggregateError)
    for (const inner of error.errors.slice(0, 5)) traceback.push('', `Among: ${inner?.stack ?? inspect(inner)}`);
  const { name, message } = error;
  return { ename: String(name || 'Error'), evalue: String(message), traceback };
}
