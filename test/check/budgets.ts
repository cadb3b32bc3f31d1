/** How long a file may be, how folders and files may be called, and what a method may not contain. */
import ts from 'typescript';
import type { Source } from './sources.ts';

interface Budget {
  pattern: RegExp;
  lines: number;
  what: string;
}

const slots = 'score|allocate|select|compensate|encode|place|fetch|attend|segment|pass|fit';

/** The first pattern that fits a file is its budget. */
export const budgets: readonly Budget[] = [
  { pattern: /^ops\/methods\/[^/]+\.ts$/, lines: 40, what: 'a method' },
  { pattern: new RegExp(`^ops/(${slots})/[^/]+\\.ts$`), lines: 150, what: 'an operator' },
  { pattern: /\.(ts|mjs)$/, lines: 400, what: 'a file' },
];

/** The core that every operator stands on, and how many lines it may have in all. */
export const coreBudget = { pattern: /^ops\/(operator\.ts$|graph\/)/, lines: 800 };

export type Exceptions = Record<string, { lines: number; why: string }>;

const lineCount = (text: string) => text.split('\n').length - (text.endsWith('\n') ? 1 : 0);

/** Files over their budget, in words. `exceptions` gives single files a larger one, each with its reason. */
export function overBudget(sources: readonly Source[], exceptions: Exceptions = {}): string[] {
  const files = sources.flatMap(({ path, text }) => {
    const budget = budgets.find(({ pattern }) => pattern.test(path));
    const allowed = exceptions[path]?.lines ?? budget?.lines ?? Number.POSITIVE_INFINITY;
    const lines = lineCount(text);
    if (lines <= allowed) return [];
    return [
      `${path}: ${budget?.what} has at most ${allowed} lines, got ${lines}. Split it by idea, or give the reason in budgets.json.`,
    ];
  });
  const core = sources.filter(({ path }) => coreBudget.pattern.test(path));
  const lines = core.reduce((sum, { text }) => sum + lineCount(text), 0);
  const allowed = exceptions['ops core']?.lines ?? coreBudget.lines;
  if (lines > allowed)
    files.push(`ops core: operator and graph have at most ${allowed} lines, got ${lines}. Make it simpler.`);
  return files;
}

/** Exceptions that no longer hold: without a reason, for a file that is gone, or for one that fits its ordinary budget. */
export function staleExceptions(sources: readonly Source[], exceptions: Exceptions): string[] {
  return Object.entries(exceptions).flatMap(([path, { why }]) => {
    if (!why) return [`${path}: the exception has no reason`];
    const files = path === 'ops core' ? sources : sources.filter((source) => source.path === path);
    return overBudget(files).some((line) => line.startsWith(`${path}:`))
      ? []
      : [`${path}: the exception is not needed`];
  });
}

/** Paths with a part that says nothing about what is inside. */
export function emptyNames(paths: readonly string[]): string[] {
  const empty = /^(utils?|helpers?|common|misc)$/;
  return paths.filter((path) => path.split('/').some((part) => empty.test(part.replace(/\.[a-z.]+$/, ''))));
}

const arithmetic = new Set([
  ts.SyntaxKind.PlusToken,
  ts.SyntaxKind.MinusToken,
  ts.SyntaxKind.AsteriskToken,
  ts.SyntaxKind.AsteriskAsteriskToken,
  ts.SyntaxKind.SlashToken,
  ts.SyntaxKind.PercentToken,
  ts.SyntaxKind.PlusEqualsToken,
  ts.SyntaxKind.MinusEqualsToken,
  ts.SyntaxKind.AsteriskEqualsToken,
  ts.SyntaxKind.SlashEqualsToken,
]);

/** Arithmetic in a method file: computing is what operators are for. A negative number is no arithmetic. */
export function arithmeticIn({ path, text }: Source): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const computes = ts.isBinaryExpression(node) && arithmetic.has(node.operatorToken.kind);
    const counts = ts.isPostfixUnaryExpression(node);
    const isMath = ts.isPropertyAccessExpression(node) && node.expression.getText(file) === 'Math';
    if (computes || counts || isMath) {
      const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
      found.push(
        `${path}:${line}: a method computes nothing, got '${node.getText(file)}'. Make it an operator or an option of one.`,
      );
    } else ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}
