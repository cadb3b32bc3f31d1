/** A cell as a TypeScript module: its top-level names are exported, and names of earlier cells are imported.
 *
 *  So each cell is checked with the true types of the cells before it, and a name may be declared again in a later cell
 *  with another type. What is inserted stands on existing lines, so that lines stay what they were. */
import ts from 'typescript';
import { type EditedText, editText, type Insertion } from './edited-text.ts';

/** Where a name of the notebook comes from: the cell that declared it, or an import that is repeated. */
export type Origin = { cell: number } | { statement: string };
export type Scope = ReadonlyMap<string, Origin>;

export interface CellText {
  edited: EditedText;
  /** Names that the cell adds to the notebook. */
  declared: Map<string, Origin>;
  /** Names among them that have a value when the code runs. */
  values: string[];
  jsx: boolean;
}

export const cellPattern = /kvlab-cell-(\d+|draft)$/;

/** Module specifier of an earlier cell. */
export function cellSpecifier(serial: number): string {
  return `./kvlab-cell-${serial}`;
}

/** A cell asks for JSX with a doc comment `@jsx`. Elsewhere `<T>(x: T) => x` stays a generic arrow function. */
export function asksForJsx(source: string): boolean {
  return /^\s*\/\*\*[\s\S]*?@jsx\b[\s\S]*?\*\//.test(source);
}

const closing = '\nexport {};';

/** The syntax tree of a cell, read as a module so that `await` is allowed at its top level. */
export function parseCell(source: string): ts.SourceFile {
  const kind = asksForJsx(source) ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  return ts.createSourceFile('cell.ts', source + closing, ts.ScriptTarget.Latest, true, kind);
}

function bindingNames(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) => (ts.isOmittedExpression(element) ? [] : bindingNames(element.name)));
}

/** Each name that an import binds, with an import statement for that name alone. */
function importedNames(statement: ts.ImportDeclaration): [string, string][] {
  const clause = statement.importClause;
  if (!clause) return [];
  const from = ` from ${statement.moduleSpecifier.getText()}${statement.attributes ? ` ${statement.attributes.getText()}` : ''};`;
  const keyword = clause.phaseModifier === ts.SyntaxKind.TypeKeyword ? 'import type' : 'import';
  const names: [string, string][] = [];
  if (clause.name) names.push([clause.name.text, `${keyword} ${clause.name.text}${from}`]);
  const bindings = clause.namedBindings;
  if (bindings && ts.isNamespaceImport(bindings))
    names.push([bindings.name.text, `${keyword} ${bindings.getText()}${from}`]);
  if (bindings && ts.isNamedImports(bindings))
    for (const element of bindings.elements)
      names.push([element.name.text, `${keyword} { ${element.getText()} }${from}`]);
  return names;
}

function isExported(statement: ts.Statement): boolean {
  return ts.canHaveModifiers(statement) && !!statement.modifiers?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword);
}

function isUsing(list: ts.VariableDeclarationList): boolean {
  // `using` is written as both flags, let and const.
  return (list.flags & ts.NodeFlags.Using) === ts.NodeFlags.Using;
}

/** Names that a declaration binds, and whether they have a value; undefined for statements that declare nothing. */
function declaredBy(statement: ts.Statement): { names: string[]; value: boolean } | undefined {
  if (ts.isVariableStatement(statement))
    // A resource of `using` is gone when the cell ends.
    return isUsing(statement.declarationList)
      ? undefined
      : { names: statement.declarationList.declarations.flatMap((one) => bindingNames(one.name)), value: true };
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) || ts.isEnumDeclaration(statement))
    return statement.name && { names: [statement.name.text], value: true };
  if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
    return { names: [statement.name.text], value: false };
  if (ts.isModuleDeclaration(statement) && ts.isIdentifier(statement.name) && statement.name.text !== 'global')
    return { names: [statement.name.text], value: false };
  return undefined;
}

/** Turns a cell into a module. `serial` names it for later cells. With `all`, every known name is imported, which
 *  completion needs; otherwise only names that occur in the text. */
export function cellText(source: string, serial: number, scope: Scope, all = false): CellText {
  const tree = parseCell(source);
  const declared = new Map<string, Origin>();
  const values: string[] = [];
  const insertions: Insertion[] = [];
  for (const statement of tree.statements) {
    if (ts.isImportDeclaration(statement))
      for (const [name, text] of importedNames(statement)) declared.set(name, { statement: text });
    const found = declaredBy(statement);
    if (!found) continue;
    for (const name of found.names) declared.set(name, { cell: serial });
    if (found.value) values.push(...found.names);
    if (!isExported(statement)) insertions.push({ at: statement.getStart(tree), text: 'export ' });
  }
  const used = all ? undefined : new Set(source.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu));
  const byCell = new Map<number, string[]>();
  let prelude = '';
  for (const [name, origin] of scope) {
    if (declared.has(name) || (used && !used.has(name))) continue;
    if ('statement' in origin) prelude += origin.statement;
    else byCell.set(origin.cell, [...(byCell.get(origin.cell) ?? []), name]);
  }
  for (const [cell, names] of byCell) prelude += `import { ${names.join(', ')} } from '${cellSpecifier(cell)}';`;
  return {
    edited: editText(source, [
      { at: 0, text: prelude },
      ...insertions,
      // A comment without an end would swallow it; the parser reports that anyway.
      { at: source.length, text: closing, trailing: true },
    ]),
    declared,
    values,
    jsx: asksForJsx(source),
  };
}
