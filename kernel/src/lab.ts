/** The lab: load a model, write with a method, score, compare, show. What a notebook cell or a Node script calls. */

import { type LoadOptions, loadModel, type Model } from './engine/model/load.ts';
import { type AnyOperator, createOperate, createOps, type OperateOptions, type Ops } from './engine/operate/operate.ts';
import type { OperatorInput } from './engine/operate/value.ts';
import type { PanelMessage, Selection } from './engine/record/frame.ts';
import { type CompareOptions, type Comparison, compare } from './engine/run/compare.ts';
import { type GenerateOptions, generate, type Prompt, type Run, type Stage } from './engine/run/run.ts';
import { type Scored, type ScoreOptions, score } from './engine/run/score.ts';
import { openRuntime, type Runtime } from './engine/runtime/runtime.ts';
import { type Host, host } from './host.ts';
import { modelFile } from './model-file.ts';
import { comparisonWords, modelWords, runWords, shown } from './shown.ts';

/** A loaded model, ready for the other functions of the lab. */
export interface LabModel extends Model {
  /** Ids of a text; special tokens such as `<|im_end|>` are recognised unless `special` is false. */
  tokenize(text: string, options?: { special?: boolean }): Uint32Array;
  /** Text of ids, special tokens spelled out. */
  decode(ids: ArrayLike<number>): string;
}
export interface LabRun extends Run {
  /** An arquero table over what was recorded. */
  table(name: 'bytes' | 'attention' | 'events' | 'quantization' | 'tokens'): Promise<unknown>;
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
    signal: host()?.signal(),
    onProgress: (words) => line.say(words),
    ...options,
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

function labRun(run: Run): LabRun {
  const extended = Object.create(run, {
    table: {
      value: async (name: Parameters<LabRun['table']>[0]) => {
        const { tableOf } = await import('./engine/record/tables.ts');
        return tableOf(run.snapshot(), name);
      },
    },
    continue: { value: async (more: Prompt, o?: GenerateOptions) => finish(await run.continue(more, o)) },
    fork: { value: () => labRun(run.fork()) },
  }) as LabRun;
  return shown(extended, () => runWords(run));
}

/** Leaves the picture of a run in its cell. */
async function finish(run: Run): Promise<LabRun> {
  const now = host();
  if (now && run.recorded) {
    const { runBundle } = await import('./engine/record/bundle/bundle.ts');
    const { bundle, metadata } = await runBundle(run.snapshot());
    now.display(bundle, { metadata });
  }
  return labRun(run);
}

async function labGenerate(model: Model, prompt: Prompt, options: GenerateOptions = {}): Promise<LabRun> {
  return finish(await generate(model, prompt, options, stage()));
}

async function labCompare(model: Model, prompt: Prompt, options: CompareOptions): Promise<Comparison> {
  const line = progressLine('compare');
  const result = await compare(
    model,
    prompt,
    { signal: host()?.signal(), onStep: (step, of) => line.say(`compared ${step} of ${of} tokens`), ...options },
    () => performance.now(),
  );
  return shown(result, () => comparisonWords(result));
}

const labScore = (model: Model, ids: ArrayLike<number>, options: ScoreOptions = {}): Promise<Scored> =>
  score(model, ids, { signal: host()?.signal(), ...options });

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
  generate: labGenerate,
  score: labScore,
  compare: labCompare,
  /** Runs an operator that a cell declared. */
  operate: async (
    operator: AnyOperator,
    inputs: Record<string, OperatorInput>,
    params?: Record<string, number | string | boolean>,
    options?: OperateOptions,
  ) => createOperate(await eagerRuntime())(operator, inputs, params, options),
  /** Opens the lab beside the notebook, or one panel of it. */
  show(panel?: string): void {
    const now = listen();
    if (now) now.show(panel);
    else console.log('lab.show: panels live in JupyterLab; start it with npm start');
  },
  /** Moves the selection of all panels: `lab.point({ position: 57, layer: 12, queryHead: 4 })`. */
  point({ panel, ...to }: Selection & { panel?: string }): void {
    selection = { ...selection, ...to };
    listen()?.point(to, panel);
  },
  /** What the panels point at. */
  selection: (): Selection => ({ ...selection }),
  /** Where models run, and why. */
  async device(): Promise<{ device: 'wasm' | 'webgpu'; why: string; threads: number }> {
    const { device, why, threads } = await eagerRuntime();
    return { device, why, threads };
  },
};
