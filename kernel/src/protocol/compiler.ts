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

/** Starts the thread; its first answer takes as long as reading the library types. */
export function startCompiler(folder: string): CompilerThread {
  const worker = new Worker(new URL('../cells/compile/thread.js', import.meta.url), { workerData: { folder } });
  const questions = new Map<number, Question>();
  let count = 0;
  let broken: Error | undefined;
  worker.on('message', ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
    const question = questions.get(id);
    questions.delete(id);
    if (error === undefined) question?.resolve(answer);
    else question?.reject(new Error(`compiler: ${error}`));
  });
  worker.on('error', (error) => {
    broken = new Error(`compiler: stopped with ${error.message}; restart the kernel`);
    for (const question of questions.values()) question.reject(broken);
    questions.clear();
  });
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (broken) return reject(broken);
        const id = count++;
        questions.set(id, { resolve: resolve as Question['resolve'], reject });
        worker.postMessage({ id, request });
      }),
    async stop() {
      await worker.terminate();
    },
  };
}
