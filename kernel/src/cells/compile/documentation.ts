/** The comment over a declaration, read from the text when someone asks for it.
 *
 *  The compiler could attach all comments while it reads the library types, but that is half of the time until the first
 *  cell runs. */
import ts from 'typescript';

/** Plain text of a comment: stars, braces of links and indentation taken away. */
function clean(comment: string): string {
  return comment
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .replace(
      /\{@(?:link|linkcode|linkplain)\s+([^}|\s]+)[\s|]*([^}]*)\}/g,
      (_, target: string, words: string) => words || target,
    )
    .trim();
}

/** The node that carries the comment: for a variable it stands before the whole statement. */
function commented(declaration: ts.Node): ts.Node {
  const { parent } = declaration;
  return ts.isVariableDeclaration(declaration) && ts.isVariableDeclarationList(parent) ? parent.parent : declaration;
}

/** Documentation of a symbol; empty when there is none. Tags such as `@param` follow the text. */
export function documentationOf(symbol: ts.Symbol | undefined, checker: ts.TypeChecker): string {
  const target = symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  for (const declaration of target?.declarations ?? []) {
    const node = commented(declaration);
    const { text } = node.getSourceFile();
    // In a type on one line the comment stands behind the brace, where it counts as trailing.
    const ranges = ts.getLeadingCommentRanges(text, node.pos) ?? ts.getTrailingCommentRanges(text, node.pos);
    const comment = ranges?.map(({ pos, end }) => text.slice(pos, end)).findLast((one) => one.startsWith('/**'));
    if (comment) return clean(comment);
  }
  return '';
}
