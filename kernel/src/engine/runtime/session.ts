/** A session: one ONNX graph with its weights, ready to run. */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-web';
import { enqueue } from './queue.ts';
import type { Tensor, TensorData } from './tensor.ts';

export interface Session {
  inputs: readonly string[];
  outputs: readonly string[];
  /** Runs the graph and gives the outputs named in `fetch`, which belong to the caller. Others cost nothing. */
  run(feeds: Record<string, Tensor>, fetch: readonly string[]): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** Weights that a graph names by path, as they lie in memory. */
export interface ExternalData {
  path: string;
  data: Uint8Array;
}

/** What a session needs of the ONNX Runtime module. */
export type OrtModule = Pick<typeof import('onnxruntime-web'), 'InferenceSession' | 'Tensor' | 'env'>;

/** Creates a session. `broken` says why the device is gone, if it is. Errors keep the runtime's words. */
export async function createSession(
  ort: OrtModule,
  providers: InferenceSession.SessionOptions['executionProviders'],
  model: Uint8Array,
  externalData: readonly ExternalData[],
  broken: () => string | undefined,
): Promise<Session> {
  const session = await enqueue(() => {
    refuse(broken());
    const options = { executionProviders: providers, externalData, ...silent };
    return plainly('create', ort.InferenceSession.create(model, options));
  });
  let released: Promise<void> | undefined;
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    run: (feeds, fetch) =>
      enqueue(async () => {
        if (released) throw new Error('session: it was released before this run; create a new one');
        refuse(broken());
        checkNames('input', session.inputNames, Object.keys(feeds), true);
        checkNames('output', session.outputNames, fetch, false);
        const inputs = Object.fromEntries(
          Object.entries(feeds).map(([name, tensor]) => [name, enter(ort, name, tensor)]),
        );
        const outputs = await plainly('run', session.run(inputs, [...fetch], silent));
        return Object.fromEntries(fetch.map((name) => [name, leave(name, outputs[name]!)]));
      }),
    release: () => (released ??= enqueue(() => plainly('release', session.release()))),
  };
}

/** Failures are thrown, so the runtime need not print them as well. */
const silent = { logSeverityLevel: 4 } as const;

/** Throws the runtime's words from here: its own errors carry half a megabyte of minified source into the terminal. */
async function plainly<Result>(verb: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`session: could not ${verb}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function refuse(reason: string | undefined): void {
  if (reason) throw new Error(reason);
}

/** A wrong name gives an opaque failure inside the runtime, so it is caught before. */
function checkNames(what: string, known: readonly string[], given: readonly string[], all: boolean): void {
  const unknown = given.find((name) => !known.includes(name));
  if (unknown) throw new Error(`session: there is no ${what} ${unknown}; the graph has ${known.join(', ')}`);
  const missing = all ? known.find((name) => !given.includes(name)) : undefined;
  if (missing) throw new Error(`session: ${what} ${missing} is missing; got ${given.join(', ') || 'none'}`);
}

function enter(ort: OrtModule, name: string, { type, dims, data }: Tensor): OrtTensor {
  const count = dims.reduce((product, n) => product * n, 1);
  if (count !== data.length)
    throw new RangeError(`session: input ${name} [${dims}] needs ${count} elements, got ${data.length}`);
  return new ort.Tensor(type, data as Float32Array, dims) as OrtTensor;
}

/** Takes the data out and disposes of the tensor: outputs that are not disposed stay in the runtime's memory for ever. */
function leave(name: string, output: OrtTensor): Tensor {
  const type = output.type as Tensor['type'];
  const { dims } = output;
  const data = output.data as unknown as TensorData | { buffer: ArrayBuffer; byteOffset: number; length: number };
  output.dispose();
  if (!accepted.has(type))
    throw new TypeError(`session: output ${name} has type ${type}; a graph may give ${[...accepted].join(', ')}`);
  const bits = type === 'float16' && !(data instanceof Uint16Array);
  return {
    type,
    dims,
    data: bits ? new Uint16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length) : (data as TensorData),
  };
}

const accepted = new Set<Tensor['type']>(['float32', 'float16', 'int32', 'int64', 'uint8', 'bool']);
