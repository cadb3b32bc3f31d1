/** What a name is: its type and its documentation. */
import ts from 'typescript';
import { documentationOf } from './documentation.ts';
import type { EditedText } from './edited-text.ts';

export interface Inspection {
  plain: string;
  markdown: string;
}

/** The name that a position is in. */
function symbolAt(program: ts.Program, file: string, position: number): ts.Symbol | undefined {
  const source = program.getSourceFile(file)!;
  const visit = (node: ts.Node): ts.Node | undefined =>
    position < node.getStart(source) || position > node.end ? undefined : (ts.forEachChild(node, visit) ?? node);
  const node = ts.forEachChild(source, visit);
  return node && program.getTypeChecker().getSymbolAtLocation(node);
}

/** Looks at a UTF-16 offset and, when nothing is there, at the character before it. Detail 1 adds where it is declared. */
export function inspection(
  service: ts.LanguageService,
  file: string,
  edited: EditedText,
  position: number,
  detail: number,
): Inspection | undefined {
  const at = [position, position - 1].filter((one) => one >= 0).map((one) => edited.toEdited(one));
  const place = at.find((one) => service.getQuickInfoAtPosition(file, one));
  const info = place === undefined ? undefined : service.getQuickInfoAtPosition(file, place);
  if (!info || place === undefined) return undefined;
  const signature = ts
    .displayPartsToString(info.displayParts)
    .replace(/^\(alias\) /, '')
    .replace(/\nimport .*$/, '');
  const program = service.getProgram()!;
  const documentation = documentationOf(symbolAt(program, file, place), program.getTypeChecker());
  const declared = detail > 0 ? service.getDefinitionAtPosition(file, place)?.[0]?.fileName : undefined;
  const where = declared && !/kvlab-cell-/.test(declared) ? `declared in ${declared}` : '';
  const parts = [documentation, where].filter((part) => part !== '');
  return {
    plain: [signature, ...parts].join('\n\n'),
    markdown: [`\`\`\`typescript\n${signature}\n\`\`\``, ...parts].join('\n\n'),
  };
}
