/** Completion of a cell under construction. */
import ts from 'typescript';
import { documentationOf } from './documentation.ts';
import type { EditedText } from './edited-text.ts';

export interface Completion {
  text: string;
  /** The kind in the words of editors: method, property, function, module, … */
  kind: string;
  /** The signature in one line; only for the first matches, because each costs a look-up. */
  signature: string;
}

export interface Completions {
  /** UTF-16 offsets of what a match replaces. */
  start: number;
  end: number;
  matches: Completion[];
}

const signaturesShown = 24;
const matchesShown = 400;

const kinds: Record<string, string> = {
  [ts.ScriptElementKind.memberFunctionElement]: 'method',
  [ts.ScriptElementKind.memberVariableElement]: 'property',
  [ts.ScriptElementKind.memberGetAccessorElement]: 'property',
  [ts.ScriptElementKind.memberSetAccessorElement]: 'property',
  [ts.ScriptElementKind.constElement]: 'constant',
  [ts.ScriptElementKind.letElement]: 'variable',
  [ts.ScriptElementKind.variableElement]: 'variable',
  [ts.ScriptElementKind.localVariableElement]: 'variable',
  [ts.ScriptElementKind.alias]: 'reference',
  [ts.ScriptElementKind.functionElement]: 'function',
  [ts.ScriptElementKind.localFunctionElement]: 'function',
  [ts.ScriptElementKind.classElement]: 'class',
  [ts.ScriptElementKind.interfaceElement]: 'interface',
  [ts.ScriptElementKind.typeElement]: 'type',
  [ts.ScriptElementKind.enumElement]: 'enum',
  [ts.ScriptElementKind.moduleElement]: 'module',
  [ts.ScriptElementKind.externalModuleName]: 'module',
  [ts.ScriptElementKind.keyword]: 'keyword',
  [ts.ScriptElementKind.string]: 'value',
  [ts.ScriptElementKind.parameterElement]: 'variable',
};

function wordStart(text: string, position: number): number {
  const word = /[\p{ID_Continue}$\u200c\u200d]*$/u.exec(text.slice(0, position))![0];
  return position - word.length;
}

/** The signature of a match, with the first line of its documentation. */
function signatureOf(service: ts.LanguageService, file: string, position: number, name: string): string {
  const details = service.getCompletionEntryDetails(file, position, name, undefined, undefined, undefined, undefined);
  if (!details) return '';
  const symbol = service.getCompletionEntrySymbol(file, position, name, undefined);
  const [documentation] = documentationOf(symbol, service.getProgram()!.getTypeChecker()).split('\n');
  const signature = ts.displayPartsToString(details.displayParts).replace(/\s+/g, ' ');
  return documentation ? `${signature} - ${documentation}` : signature;
}

/** Matches at a UTF-16 offset of the cell. */
export function completions(
  service: ts.LanguageService,
  file: string,
  edited: EditedText,
  position: number,
): Completions {
  const at = edited.toEdited(position);
  const found = service.getCompletionsAtPosition(file, at, {
    includeCompletionsForModuleExports: false,
    includeCompletionsWithInsertText: false,
    includeAutomaticOptionalChainCompletions: false,
  });
  const span = found?.optionalReplacementSpan;
  // Inside a string (a module or file name) the replaced part is the span of the entries.
  const entrySpan = found?.entries[0]?.replacementSpan ?? span;
  const start = entrySpan ? edited.toOriginal(entrySpan.start) : wordStart(edited.original, position);
  const prefix = edited.original.slice(start, position).toLowerCase();
  const entries = (found?.entries ?? [])
    .filter(({ name }) => name.toLowerCase().startsWith(prefix) && !name.startsWith('__kvlab'))
    .sort((a, b) => a.sortText.localeCompare(b.sortText) || a.name.localeCompare(b.name))
    .slice(0, matchesShown);
  return {
    start,
    end: position,
    matches: entries.map(({ name, kind }, index) => ({
      text: name,
      kind: Object.hasOwn(kinds, kind) ? kinds[kind]! : 'text',
      signature: index < signaturesShown ? signatureOf(service, file, at, name) : '',
    })),
  };
}
