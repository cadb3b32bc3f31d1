/** Compiler messages in the words of a notebook: the cell's number, the line, and a caret. */
import ts from 'typescript';
import type { CellError } from '../wire.ts';
import type { EditedText } from './edited-text.ts';

/** Messages that only come from how a cell is compiled: top-level await and import.meta in a CommonJS emit. */
const ofOurMaking = new Set([1309, 1343, 1378, 1432, 2852, 2853, 2854]);
const assignsToImport = 2632;
const missingModule = new Set([2307, 2792]);

function isConstant(symbol: ts.Symbol | undefined): boolean {
  const declaration = symbol?.valueDeclaration;
  return (
    !!declaration &&
    ts.isVariableDeclaration(declaration) &&
    (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) !== 0
  );
}

function identifierAt(file: ts.SourceFile, position: number): ts.Node | undefined {
  const visit = (node: ts.Node): ts.Node | undefined =>
    position < node.getStart(file) || position >= node.end
      ? undefined
      : (ts.forEachChild(node, visit) ?? (ts.isIdentifier(node) ? node : undefined));
  return visit(file);
}

/** The variable of an earlier cell that is assigned to; undefined for a true import. */
function assignedVariable(diagnostic: ts.Diagnostic, program: ts.Program): ts.Symbol | undefined {
  const checker = program.getTypeChecker();
  const node = diagnostic.file && identifierAt(diagnostic.file, diagnostic.start ?? 0);
  const symbol = node && checker.getSymbolAtLocation(node);
  const target = symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const file = target?.valueDeclaration?.getSourceFile().fileName;
  return file && /kvlab-cell-\d+\.tsx?$/.test(file) ? target : undefined;
}

/** What the user must mend, with positions in the user's text; empty when the cell can run. */
export function relevant(diagnostics: readonly ts.Diagnostic[], program: ts.Program): ts.Diagnostic[] {
  return diagnostics.filter((diagnostic) => {
    if (diagnostic.category !== ts.DiagnosticCategory.Error || ofOurMaking.has(diagnostic.code)) return false;
    if (diagnostic.code !== assignsToImport) return true;
    const variable = assignedVariable(diagnostic, program);
    return !variable || isConstant(variable);
  });
}

function installHint(message: string, folder: string): string | undefined {
  const name = /module '([^']+)'/.exec(message)?.[1];
  if (!name) return undefined;
  if (name.startsWith('.') || name.startsWith('/')) return `  Looked in ${folder}.`;
  const parts = name.split('/');
  const known = parts.slice(0, name.startsWith('@') ? 2 : 1).join('/');
  return `  Install it where the notebook lies: cd ${JSON.stringify(folder)} && npm install ${known}`;
}

/** One error for all messages of a cell. */
export function describe(
  diagnostics: readonly ts.Diagnostic[],
  edited: EditedText,
  label: string,
  folder: string,
): CellError {
  const lines = edited.original.split('\n');
  const traceback: string[] = [];
  let first = '';
  for (const diagnostic of diagnostics) {
    const inCell = diagnostic.file && cellDraft(diagnostic.file.fileName) && diagnostic.start !== undefined;
    const text =
      diagnostic.code === assignsToImport
        ? ts
            .flattenDiagnosticMessageText(diagnostic.messageText, '\n')
            .replace('an import', 'a constant of another cell')
        : ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n');
    first ||= text;
    if (!inCell) {
      traceback.push(`${diagnostic.file?.fileName ?? label} error TS${diagnostic.code}: ${text}`);
      continue;
    }
    const offset = edited.toOriginal(diagnostic.start!);
    const before = edited.original.slice(0, offset).split('\n');
    const line = before.length;
    const column = before.at(-1)!.length;
    const end = edited.toOriginal(diagnostic.start! + (diagnostic.length ?? 1));
    const shown = lines[line - 1] ?? '';
    const width = Math.max(1, Math.min(end - offset, shown.length - column));
    const gutter = `${line} | `;
    traceback.push(`${label}:${line}:${column + 1} error TS${diagnostic.code}: ${text}`);
    traceback.push(`  ${gutter}${shown}`);
    traceback.push(`  ${' '.repeat(gutter.length - 2)}| ${' '.repeat(column)}${'^'.repeat(width)}`);
    const hint = missingModule.has(diagnostic.code) ? installHint(text, folder) : undefined;
    if (hint) traceback.push(hint);
  }
  return { ename: 'TypeScriptError', evalue: first, traceback };
}

function cellDraft(file: string): boolean {
  return /kvlab-cell-draft\.tsx?$/.test(file);
}
