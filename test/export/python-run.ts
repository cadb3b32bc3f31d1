/** Runs an exported file in Python: onnx checks it, onnxruntime computes. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Method } from '@kvlab/ops';
import type { StepSizes } from '../../kernel/src/engine/export/step.ts';
import { lab } from '../../kernel/src/lab.ts';
import { python } from '../kernel/python.ts';

export interface PlainTensor {
  type: 'float32' | 'int32' | 'uint8' | 'bool';
  dims: readonly number[];
  data: readonly number[];
}
export interface PythonRun {
  outputs: Record<string, PlainTensor>;
  metadata: Record<string, string>;
  /** Dimensions of every input and output: numbers, and names of those that vary. */
  dims: Record<string, (number | string)[]>;
}

const script = fileURLToPath(new URL('run.py', import.meta.url));

export async function runInPython(
  method: Method,
  sizes: Partial<StepSizes>,
  inputs: Readonly<Record<string, PlainTensor>>,
): Promise<PythonRun> {
  if (!existsSync(python)) throw new Error(`test: ${python} is missing; run npm test, which makes it`);
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-export-'));
  const file = (name: string) => join(folder, name);
  try {
    await lab.exportOnnx(method, file('step.onnx'), sizes);
    writeFileSync(file('inputs.json'), JSON.stringify(inputs));
    const args = [script, file('step.onnx'), file('inputs.json'), file('outputs.json')];
    const ran = spawnSync(python, args, { encoding: 'utf8', timeout: 120_000 });
    if (ran.status !== 0) throw new Error(`test: Python refused the file: ${ran.stderr || ran.error?.message}`);
    return { ...JSON.parse(ran.stdout), outputs: JSON.parse(readFileSync(file('outputs.json'), 'utf8')) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
