/** The lab: load a model, write with a method, score, compare, show. What a notebook cell or a Node script calls. */

import { writeFile } from 'node:fs/promises';
import { type Method, serveTrace } from '@kvlab/ops';
import type { ColumnTable } from 'arquero';
import {
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  evaluationColumns,
  evaluationCsv,
} from './engine/evaluate/evaluate.ts';
import { type StepSizes, stepGraph, stepMetadata } from './engine/export/step.ts';
import { type FitOptions, fittedFor } from './engine/fit/fitted.ts';
import { type LoadOptions, loadModel, type Model } from './engine/model/load.ts';
import { type CheckOptions, type CheckReport, checkOperator } from './engine/operate/check.ts';
import { type AnyOperator, createOperate, createOps, type OperateOptions, type Ops } from './engine/operate/operate.ts';
import type { OperatorInput } from './engine/operate/value.ts';
import {
  depths,
  type Frame,
  type PanelMessage,
  type RunInfo,
  type Selection,
  type ShowRequest,
} from './engine/record/frame.ts';
import type { TableName } from './engine/record/tables.ts';
import { type Applied, apply, type LayerTensors } from './engine/run/apply.ts';
import { type CompareOptions, type Comparison, compare } from './engine/run/compare.ts';
import type { Prompt } from './engine/run/prompt.ts';
import { type GenerateOptions, generate, type Run, type Stage } from './engine/run/run.ts';
import { type Scored, type ScoreOptions, score } from './engine/run/score.ts';
import { openRuntime, type Runtime } from './engine/runtime/runtime.ts';
import { type Host, host, interruption } from './host.ts';
import { modelFile } from './model-file.ts';
import { comparisonWords, evaluationWords, modelWords, runWords, shown } from './shown.ts';

/** A loaded model, ready for the other functions of the lab. */
export interface LabModel extends Model {
  /** Ids of a text; special tokens such as `<|im_end|>` are recognised unless `special` is false. */
  tokenize(text: string, options?: { special?: boolean }): Uint32Array;
  /** Text of ids, special tokens spelled out. */
  decode(ids: ArrayLike<number>): string;
}
export interface LabRun extends Run {
  /** A tidy arquero table over what was recorded. */
  table(name: TableName): ColumnTable;
  /** Keeps the whole recorded run in a file that `lab.open` reads without a model; packed where the name ends in `.gz`. */
  save(path: string): Promise<void>;
  continue(more: Prompt, options?: Omit<GenerateOptions, 'method' | 'record' | 'title'>): Promise<LabRun>;
  fork(): LabRun;
}
export interface LabComparison extends Comparison {
  /** One row for each method and judged token. */
  table(): ColumnTable;
  /** Keeps the comparison in a file that `lab.open` reads without a model. */
  save(path: string): Promise<void>;
}
export interface LabEvaluation extends Evaluation {
  /** One row for each method, budget and question. */
  table(): ColumnTable;
  /** The same as comma-separated values. */
  csv(): string;
}
/** A run that was saved: everything recorded, no model. */
export interface OpenedRun {
  readonly info: RunInfo;
  table(name: TableName): ColumnTable;
  snapshot(): Frame;
}

let runs = 0;
let newest: Runtime | undefined;
let selection: Selection = {};
let listening: Host | undefined;

/** Remembers what panels point at, from the first call on that needs it. */
function listen(): Host | undefined {
  const now = host();
  if (now && listening !== now) {
    listening = now;
    now.onPanel((message: PanelMessage) => {
      if (message.type === 'selection') selection = message.selection;
    });
  }
  return now;
}

function stage(): Stage {
  const now = listen();
  return {
    ...(now ? { publish: now.publish.bind(now), onPanel: now.onPanel.bind(now), signal: now.signal.bind(now) } : {}),
    newId: () => `run-${++runs}-${Date.now().toString(36)}`,
    now: () => performance.now(),
  };
}

/** A line in the cell that tells what is going on; nothing outside Jupyter. */
function progressLine(label: string): { say(words: string): void; end(words?: string): void } {
  const now = host();
  const id = `kvlab-${label}-${++runs}`;
  let shownAt = Number.NEGATIVE_INFINITY;
  let update = false;
  const show = (words: string): void => {
    now?.display({ 'text/plain': words }, { id, update });
    update = true;
  };
  return {
    say(words) {
      if (performance.now() - shownAt < 100) return;
      shownAt = performance.now();
      show(words);
    },
    end(words) {
      if (words !== undefined && (update || now)) show(words);
    },
  };
}

/** Loads a GGUF file of the Llama family; without a path, the default model. */
async function load(path?: string, options: LoadOptions = {}): Promise<LabModel> {
  const line = progressLine('load');
  const start = performance.now();
  const model = await loadModel(modelFile(path), {
    onProgress: (words) => line.say(words),
    ...options,
    signal: interruption(options.signal),
  });
  newest = model.runtime;
  line.end(`${model.name} loaded in ${((performance.now() - start) / 1000).toFixed(1)} s on ${model.runtime.device}`);
  const labModel: LabModel = {
    ...model,
    tokenize: (text, o) => model.tokenizer.encode(text, o).ids,
    decode: (ids) => model.tokenizer.decode(ids, { special: true }),
  };
  return shown(labModel, () => modelWords(labModel));
}

/** Loaded with the first run: the table library takes a tenth of a second that a start need not wait for. */
async function reading() {
  const [{ tableOf }, { readRunFile, writeRunFile }] = await Promise.all([
    import('./engine/record/tables.ts'),
    import('./run-file.ts'),
  ]);
  return { tableOf, readRunFile, writeRunFile };
}

function labRun(run: Run, readers: Awaited<ReturnType<typeof reading>>): LabRun {
  const { tableOf, writeRunFile } = readers;
  const extended = Object.create(run, {
    table: { value: (name: TableName) => tableOf(run.snapshot(), name) },
    save: { value: (path: string) => writeRunFile(path, run.snapshot()) },
    continue: { value: async (more: Prompt, o?: GenerateOptions) => finish(await run.continue(more, o)) },
    fork: { value: () => labRun(run.fork(), readers) },
  }) as LabRun;
  return shown(extended, () => runWords(run));
}

/** Leaves the picture of a run in its cell. */
async function finish(run: Run): Promise<LabRun> {
  if (run.recorded) await leavePicture(run.snapshot());
  return labRun(run, await reading());
}

async function leavePicture(snapshot: Frame, lanes: readonly Frame[] = []): Promise<void> {
  const now = host();
  if (!now) return;
  const { runBundle } = await import('./engine/record/bundle/bundle.ts');
  const { bundle, metadata } = await runBundle(snapshot, lanes);
  now.display(bundle, { metadata });
}

/** Opens a run that `run.save` wrote, or one that comes with kvlab (`recorded:h2o`): its panels fill, its picture stays in the cell, its tables can be read. */
async function open(path: string): Promise<OpenedRun> {
  const { readRunFile, tableOf } = await reading();
  const frame = await readRunFile(path);
  listen()?.publish(frame);
  await leavePicture(frame);
  const info = frame.header.info!;
  const opened: OpenedRun = { info, table: (name) => tableOf(frame, name), snapshot: () => frame };
  return shown(
    opened,
    () =>
      `${info.title}: ${info.method.name} ${info.method.setting} on ${info.model.name}, ${frame.header.texts.length} tokens`,
  );
}

/** Tells in the cell how far a fit has come. */
function fitLine(): (fit: string, share: number) => void {
  const line = progressLine('fit');
  return (fit, share) => line.say(`fitting ${fit}: ${Math.round(100 * share)} %`);
}

/** Runs what methods have to calibrate on this model, and says so. */
async function labFit(model: Model, methods: readonly Method[], options: FitOptions = {}): Promise<void> {
  const onProgress = fitLine();
  for (const method of methods)
    await fittedFor(model, method, { onProgress, ...options, signal: interruption(options.signal) });
}

async function labGenerate(model: Model, prompt: Prompt, options: GenerateOptions = {}): Promise<LabRun> {
  return finish(await generate(model, prompt, { onFit: fitLine(), ...options }, stage()));
}

async function labCompare(model: Model, prompt: Prompt, options: CompareOptions): Promise<LabComparison> {
  await labFit(model, options.methods ?? [], { signal: options.signal });
  const line = progressLine('compare');
  const result = await compare(
    model,
    prompt,
    {
      onStep: (step, of) => line.say(`compared ${step} of ${of} tokens`),
      ...options,
      signal: interruption(options.signal),
    },
    stage(),
  );
  await leavePicture(result.snapshot(), result.runs());
  const { tableOf, writeRunFile } = await reading();
  const comparison: LabComparison = {
    ...result,
    table: () => tableOf(result.snapshot(), 'comparison'),
    save: (path) => writeRunFile(path, result.snapshot()),
  };
  return shown(comparison, () => comparisonWords(comparison));
}

async function labEvaluate(model: Model, options: EvaluateOptions): Promise<LabEvaluation> {
  const line = progressLine('evaluate');
  const result = await evaluate(model, {
    onFit: fitLine(),
    onProgress: (done, of) => line.say(`evaluated ${done} of ${of} answers`),
    ...options,
    signal: interruption(options.signal),
  });
  const { table } = await import('arquero');
  const evaluation: LabEvaluation = {
    ...result,
    table: () => table(evaluationColumns(result)),
    csv: () => evaluationCsv(result),
  };
  return shown(evaluation, () => evaluationWords(evaluation));
}

async function labScore(model: Model, ids: ArrayLike<number>, options: ScoreOptions = {}): Promise<Scored> {
  await labFit(model, options.method ? [options.method] : [], { signal: options.signal });
  return score(model, ids, { ...options, signal: interruption(options.signal) });
}

async function eagerRuntime(): Promise<Runtime> {
  newest ??= await openRuntime('auto');
  return newest;
}

/** Every operator of the library on plain nested arrays or typed tensors: `await ops.keyNorm({ keys: [[[3, 4]]] })`. */
export const ops: Ops = new Proxy({} as Ops, {
  get:
    (_, name: string) =>
    async (...args: unknown[]) => {
      const all = createOps(await eagerRuntime()) as unknown as Record<string, (...a: unknown[]) => unknown>;
      const operate = all[name];
      if (!operate) throw new Error(`ops: there is no operator ${name}; there is ${Object.keys(all).join(', ')}`);
      return operate(...args);
    },
});

export const lab = {
  load,
  open,
  generate: labGenerate,
  score: labScore,
  compare: labCompare,
  evaluate: labEvaluate,
  /** Runs what a method has to calibrate on this model; the other functions do it by themselves when it is missing. */
  fit: (model: Model, method: Method, options: FitOptions = {}): Promise<void> => labFit(model, [method], options),
  /** Applies a method to the tensors of one layer, without a model. */
  apply: async (method: Method, tensors: LayerTensors): Promise<Applied> =>
    apply(method, tensors, await eagerRuntime()),
  /** Memory that pagers commit, and how much of it is used, while a trace of requests comes, grows and goes. No model runs. */
  serveTrace,
  /** Writes one layer's step of a method as a standard ONNX file: attention, score, zones, codes. Amounts are those of a prompt
   *  of `promptLength` tokens, frozen; the sizes are those of SmolLM2-135M unless said. */
  exportOnnx: async (method: Method, path: string, sizes: Partial<StepSizes> = {}): Promise<void> => {
    const all = { queryHeads: 9, kvHeads: 3, headSize: 64, promptLength: 512, ...sizes };
    await writeFile(path, stepGraph(method, all).encode(stepMetadata(method, all)));
  },
  /** Runs an operator that a cell declared. */
  operate: async (
    operator: AnyOperator,
    inputs: Record<string, OperatorInput>,
    params?: Record<string, number | string | boolean>,
    options?: OperateOptions,
  ) => createOperate(await eagerRuntime())(operator, inputs, params, options),
  /** Checks an operator: its example, and its graph against its reference on random shapes. Throws where they differ. */
  check: async (operator: AnyOperator, options?: CheckOptions): Promise<CheckReport> => {
    const report = await checkOperator(createOperate(await eagerRuntime()), operator, options);
    return shown(report, () => report.text);
  },
  /** Opens the lab beside the notebook, or one panel of it: `lab.show('attention-sinks')`, `lab.show({ depth: 'student' })`. */
  show(what: string | ShowRequest = {}): void {
    const { panel, depth }: ShowRequest = typeof what === 'string' ? { panel: what } : what;
    if (depth !== undefined && !depths.includes(depth))
      throw new TypeError(`lab.show: depth is ${String(depth)}; use one of ${depths.join(', ')}`);
    const now = listen();
    if (now) now.show(panel, depth);
    else console.log('lab.show: panels live in JupyterLab; start it with npm start');
  },
  /** Moves the selection of all panels: `lab.point({ position: 57, layer: 12, queryHead: 4 })`. */
  point({ panel, ...to }: Selection & { panel?: string }): void {
    selection = { ...selection, ...to };
    listen()?.point(to, panel);
  },
  /** What the panels point at. */
  selection: (): Selection => ({ ...selection }),
  /** Where the newest model runs, and why; without a device before anything was loaded. */
  device(): { device: 'wasm' | 'webgpu' | undefined; why: string; threads: number } {
    if (!newest) return { device: undefined, why: 'nothing is loaded yet; lab.load decides', threads: 0 };
    const { device, why, threads } = newest;
    return { device, why, threads };
  },
};
