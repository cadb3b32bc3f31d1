/** The compiler in a thread of its own, so that the protocol process answers while a cell is checked. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { CompileResult } from './compile.ts';
import type { Completions } from './complete.ts';
import type { Inspection } from './inspect.ts';
import type { Completeness } from './is-complete.ts';

export type CompilerRequest =
  | { kind: 'compile'; source: string; label: string }
  | { kind: 'forget'; serial: number; names: string[] }
  | { kind: 'reset' }
  | { kind: 'complete'; source: string; position: number }
  | { kind: 'inspect'; source: string; position: number; detail: number }
  | { kind: 'isComplete'; source: string };

export interface CompilerAnswers {
  compile: CompileResult;
  forget: undefined;
  reset: undefined;
  complete: Completions;
  inspect: Inspection | undefined;
  isComplete: Completeness;
}

const port = parentPort!;
// TypeScript is large: its machine code is kept between starts, so it is loaded after the cache is on.
enableCompileCache();
const { openCompiler } = await import('./compile.ts');
const { completeness } = await import('./is-complete.ts');
const compiler = openCompiler((workerData as { folder: string }).folder);

function answer(request: CompilerRequest): CompilerAnswers[keyof CompilerAnswers] {
  switch (request.kind) {
    case 'compile':
      return compiler.compile(request.source, request.label);
    case 'forget':
      compiler.forget(request.serial, request.names);
      return undefined;
    case 'reset':
      compiler.reset();
      return undefined;
    case 'complete':
      return compiler.complete(request.source, request.position);
    case 'inspect':
      return compiler.inspect(request.source, request.position, request.detail);
    case 'isComplete':
      return completeness(request.source);
  }
}

port.on('message', ({ id, request }: { id: number; request: CompilerRequest }) => {
  try {
    port.postMessage({ id, answer: answer(request) });
  } catch (error) {
    port.postMessage({ id, error: (error as Error).stack ?? String(error) });
  }
});
// The library files are read once, before the first cell asks for them.
try {
  compiler.inspect('', 0, 0);
  flushCompileCache();
} catch {
  // The first request meets the same error and reports it.
}
