/** The tracked source files of the repository, and what each of them imports. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';

export const root = join(import.meta.dirname, '../..');

/** A source file: its path from the root of the repository with forward slashes, and its text. */
export interface Source {
  path: string;
  text: string;
}

/** All sources that git tracks or would track: nothing that is ignored, nothing that was built. */
export function repositorySources(pattern = /\.(ts|mjs)$/): Source[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root });
  return String(listed)
    .split('\0')
    .filter((path) => pattern.test(path) && existsSync(join(root, path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** What a file imports, static and dynamic: relative imports as paths from the root, packages by their specifier. */
export function imports({ path, text }: Source): string[] {
  const found = ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
  return found.map((name) => (name.startsWith('.') ? posix.normalize(posix.join(dirname(path), name)) : name));
}
