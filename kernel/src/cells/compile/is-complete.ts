/** Whether a console should run a cell or wait for more lines. */
import ts from 'typescript';
import { asksForJsx } from './cell-text.ts';

export type Completeness = { status: 'complete' | 'invalid' | 'unknown' } | { status: 'incomplete'; indent: string };

const unterminatedString = 1002;
const unterminatedComment = 1010;
const unterminatedTemplate = 1160;

/** Judges by the first syntax error: one at the very end means that something is still to come. */
export function completeness(source: string): Completeness {
  const kind = asksForJsx(source) ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const trimmed = source.trimEnd();
  // The leading export makes it a module, in which `await` is allowed.
  const lead = 'export {};';
  const file = ts.createSourceFile('cell.ts', lead + trimmed, ts.ScriptTarget.Latest, false, kind);
  const { parseDiagnostics } = file as ts.SourceFile & { parseDiagnostics: ts.DiagnosticWithLocation[] };
  const [first] = parseDiagnostics;
  if (!first) return { status: 'complete' };
  const open = first.code === unterminatedComment || first.code === unterminatedTemplate;
  const atEnd = first.code !== unterminatedString && first.start >= lead.length + trimmed.length;
  if (!open && !atEnd) return { status: 'invalid' };
  const lastLine = trimmed.split('\n').at(-1)!;
  const indent = /^\s*/.exec(lastLine)![0] + (/[{([]$/.test(lastLine) ? '  ' : '');
  return { status: 'incomplete', indent };
}
