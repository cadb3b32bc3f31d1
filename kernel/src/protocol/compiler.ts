/** The compiler's thread as seen from the protocol process: questions in order, answers as promises. */
import { Worker } from 'node:worker_threads';
import type { CompilerAnswers, CompilerRequest } from '../cells/compile/thread.ts';

export interface CompilerThread {
  ask<K extends CompilerRequest['kind']>(request: Extract<CompilerRequest, { kind: K }>): Promise<CompilerAnswers[K]>;
  stop(): Promise<void>;
}

interface Question {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** Starts the thread; its first answer takes as long as reading the library types. A thread that ends is started anew. */
export function startCompiler(folder: string): CompilerThread {
  let questions = new Map<number, Question>();
  let count = 0;
  let stopped = false;
  let worker = start();

  function start(): Worker {
    const own = new Worker(new URL('../cells/compile/thread.js', import.meta.url), {
      workerData: { folder },
      // Reading the library types makes many small objects; a larger nursery halves the time that collecting them takes.
      resourceLimits: { maxYoungGenerationSizeMb: 128 },
    });
    own.on('message', ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
      const question = questions.get(id);
      questions.delete(id);
      if (error === undefined) question?.resolve(answer);
      else question?.reject(new Error(`compiler: ${error}`));
    });
    own.on('error', ({ message }) => {
      const open = questions;
      questions = new Map();
      if (!stopped) worker = start();
      const reason = `compiler: it stopped with ${message}; names of earlier cells are unknown now, run those cells again`;
      for (const question of open.values()) question.reject(new Error(reason));
    });
    return own;
  }

  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        const id = count++;
        questions.set(id, { resolve: resolve as Question['resolve'], reject });
        worker.postMessage({ id, request });
      }),
    async stop() {
      stopped = true;
      await worker.terminate();
    },
  };
}
