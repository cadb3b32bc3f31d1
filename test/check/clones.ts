/** Finds text that stands twice: runs of equal tokens, in one file or in two. */
import ts from 'typescript';
import type { Source } from './sources.ts';

interface Token {
  text: string;
  line: number;
}

/** Tokens of a file without comments and imports, which every file shares with its neighbours by right. */
function tokensOf({ path, text }: Source): Token[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: Token[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isJSDoc(node)) return;
    const children = node.getChildren(file);
    if (children.length > 0) for (const child of children) visit(child);
    else if (node.getText(file))
      found.push({ text: node.getText(file), line: file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1 });
  };
  visit(file);
  return found;
}

/** Copies of at least `length` tokens, in words, each once. */
export function clones(sources: readonly Source[], length = 50): string[] {
  const seen = new Map<string, { path: string; at: number; line: number }>();
  const found: string[] = [];
  for (const source of sources) {
    const tokens = tokensOf(source);
    let reportedUpTo = 0;
    for (let at = 0; at + length <= tokens.length; at++) {
      const run = tokens.slice(at, at + length);
      const key = run.map(({ text }) => text).join(' ');
      const first = seen.get(key);
      if (!first) seen.set(key, { path: source.path, at, line: run[0]!.line });
      // A list of equal items overlaps itself; only what lies apart is a copy.
      else if (at >= reportedUpTo && (first.path !== source.path || at >= first.at + length)) {
        found.push(
          `${source.path}:${run[0]!.line}: ${length} tokens stand at ${first.path}:${first.line} too ('${key.slice(0, 60)}'). Write them once.`,
        );
        reportedUpTo = at + length;
      }
    }
  }
  return found;
}
