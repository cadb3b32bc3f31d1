/** A notebook's compiler: cells in, code that can run out, and answers about the code while it is written. */
import type ts from 'typescript';
import type { CellError, CompiledCell } from '../wire.ts';
import { cellText, type Origin } from './cell-text.ts';
import { type Completions, completions } from './complete.ts';
import { describe, relevant } from './diagnostics.ts';
import type { EditedText } from './edited-text.ts';
import { awaitsAtTopLevel, cellTransformers } from './emit.ts';
import { type Inspection, inspection } from './inspect.ts';
import { openProgram } from './program.ts';

export type CompileResult = { cell: CompiledCell; values: string[] } | { error: CellError };

export interface Compiler {
  /** Checks and translates a cell. Its names are known to later cells from now on. */
  compile(source: string, label: string): CompileResult;
  /** Takes names back that got no value, because the cell failed before. */
  forget(serial: number, names: readonly string[]): void;
  /** Forgets all names: the process that held them is gone. */
  reset(): void;
  /** Positions are UTF-16 offsets. */
  complete(source: string, position: number): Completions;
  inspect(source: string, position: number, detail: number): Inspection | undefined;
}

/** Lines and columns of what was inserted, for tracebacks. */
function insertsByLine({ original, insertions }: EditedText): CompiledCell['inserts'] {
  return insertions
    .filter(({ text, at }) => text !== '' && at < original.length)
    .map(({ at, text }) => {
      const before = original.slice(0, at).split('\n');
      return { line: before.length, column: before.at(-1)!.length, length: text.length };
    });
}

/** Opens a compiler for a notebook in `folder`. */
export function openCompiler(folder: string): Compiler {
  const program = openProgram(folder);
  const scope = new Map<string, Origin>();
  let serial = 0;

  return {
    compile(source, label) {
      serial += 1;
      const text = cellText(source, serial, scope);
      program.setDraft(text.edited.text, text.jsx);
      const draft = program.draftFile(text.jsx);
      const checked = program.service.getProgram()!;
      const syntax = checked.getSyntacticDiagnostics(checked.getSourceFile(draft));
      const found: ts.Diagnostic[] = relevant(
        syntax.length > 0 ? syntax : program.service.getSemanticDiagnostics(draft),
        checked,
      );
      if (found.length > 0) return { error: describe(found, text.edited, label, folder) };

      const imports = new Set<string>();
      program.setTransformers(cellTransformers(imports));
      const { outputFiles } = program.service.getEmitOutput(draft);
      const output = (extension: string) => outputFiles.find(({ name }) => name.endsWith(extension))?.text ?? '';
      const version = program.newestChange(draft);
      const file = program.keep(serial, text.edited.text, text.jsx);
      for (const [name, origin] of text.declared) scope.set(name, origin);
      return {
        values: text.values,
        cell: {
          serial,
          label,
          file,
          // Exports start as `exports.a = void 0`, which would take a name's old value away before it gets its new one.
          code: output('.js').replace(/^exports\.[^\n]*= void 0;$/m, ''),
          map: output('.js.map'),
          source,
          inserts: insertsByLine(text.edited),
          imports: [...imports].filter((name) => !/^\.\/kvlab-cell-\d+$/.test(name)),
          awaits: awaitsAtTopLevel(checked.getSourceFile(draft)!),
          version,
        },
      };
    },
    forget(ofSerial, names) {
      for (const name of names) {
        const origin = scope.get(name);
        if (origin && 'cell' in origin && origin.cell === ofSerial) scope.delete(name);
      }
    },
    reset: () => scope.clear(),
    complete(source, position) {
      const text = cellText(source, serial + 1, scope, true);
      program.setDraft(text.edited.text, text.jsx);
      return completions(program.service, program.draftFile(text.jsx), text.edited, position);
    },
    inspect(source, position, detail) {
      const text = cellText(source, serial + 1, scope, true);
      program.setDraft(text.edited.text, text.jsx);
      return inspection(program.service, program.draftFile(text.jsx), text.edited, position, detail);
    },
  };
}
