/** Writes `docs/placement.md`: for every graph of the library, which nodes ONNX Runtime keeps off the graphics device.
 *
 *  `node --conditions=kvlab-source test/check/placement.ts` writes it; a slow test compares it. The runtime tells where it put
 *  each node only in its log, and a software adapter places as a real one does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AnyDefinition, operators, resolveParams } from '@kvlab/ops';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { operatorGraph } from '../../kernel/src/engine/operate/graph.ts';
import { fixedSizes } from '../../kernel/src/engine/operate/shapes.ts';
import { node } from '../../kernel/src/engine/runtime/node.ts';
import { librarySettings, onePerMethod } from '../engine/settings.ts';
import { loadTiny } from '../engine/tiny-model.ts';
import { walk } from '../engine/walk.ts';
import { useSoftwareGraphics } from '../model/swiftshader.ts';
import { root } from './sources.ts';

export const placementPath = join(root, 'docs', 'placement.md');

interface Graph {
  name: string;
  bytes: Uint8Array;
}
interface Placed {
  /** Nodes on the device; types of those that are not; copies between the two. */
  onDevice: number;
  onHost: string[];
  copies: number;
}

const sizes = { Hq: 9, Hkv: 3, G: 3, D: 64, L: 2, X: 24, R: 8, V: 40, T: 64, Q: 4, N: 5, B: 2 };

/** Graphs of an operator: with its defaults, with each choice and flag, and in the settings that its checks run. */
function graphsOf(definition: AnyDefinition): Graph[] {
  const settings: Record<string, unknown>[] = [{}, ...((definition.variants ?? []) as Record<string, unknown>[])];
  for (const [name, param] of Object.entries(definition.params)) {
    if (param.type === 'choice') settings.push(...param.choices.map((choice) => ({ [name]: choice })));
    if (param.type === 'flag') settings.push({ [name]: !param.default });
  }
  // Other letters mean what the operator likes.
  const specs = { ...definition.inputs, ...definition.state, ...definition.outputs };
  const letters = new Set([...Object.values(specs).flatMap(({ dims }) => dims.map(String)), 'Hq', 'Hkv', 'G']);
  const built = settings.map((given) => {
    const params = resolveParams(definition.name, definition.params, given as never);
    const all = fixedSizes({ ...sizes, ...definition.accepts?.(sizes, params as never) });
    const own = Object.fromEntries(Object.entries(all).filter(([letter]) => letters.has(letter)));
    return { name: definition.name, bytes: operatorGraph(definition, params, own, 'webgpu').encode() };
  });
  return distinct(built);
}

const distinct = (graphs: readonly Graph[]): Graph[] => [
  ...new Map(graphs.map((graph) => [`${graph.name} ${Buffer.from(graph.bytes).toString('base64')}`, graph])).values(),
];

/** The graphs that a walk of each method asks for, as they are built for a graphics device, by the name of the method. */
async function graphsOfMethods(): Promise<Map<string, Graph[]>> {
  const tiny = await loadTiny('wasm');
  const out = new Map<string, Graph[]>();
  for (const { method } of onePerMethod.filter((setting) => librarySettings.includes(setting))) {
    const graphs: Graph[] = [];
    const { runtime } = tiny;
    const model: Model = {
      ...tiny,
      runtime: {
        ...runtime,
        device: 'webgpu',
        create(bytes, external) {
          graphs.push({ name: graphName(bytes), bytes: bytes.slice() });
          return runtime.create(bytes, external);
        },
      },
    };
    await walk(model, method);
    out.set(method.name, distinct(graphs));
  }
  await tiny.release();
  return out;
}

/** The name that an ONNX file gives its graph: field 2 of field 7. */
function graphName(bytes: Uint8Array): string {
  const field = (from: number, to: number, wanted: number): [number, number] => {
    const number = (): number => {
      let [value, shift] = [0, 1];
      for (;;) {
        const byte = bytes[at++]!;
        value += (byte & 127) * shift;
        if (byte < 128) return value;
        shift *= 128;
      }
    };
    let at = from;
    while (at < to) {
      const tag = number();
      const length = tag % 8 === 2 ? number() : 0;
      if (tag % 8 === 0) number();
      if (Math.floor(tag / 8) === wanted) return [at, at + length];
      at += length;
    }
    throw new Error(`placement: a file has no field ${wanted}; look at the writer of ONNX files`);
  };
  const [from, to] = field(...field(0, bytes.length, 7), 2);
  return new TextDecoder().decode(bytes.subarray(from, to));
}

/** Where the nodes of a graph run on WebGPU. */
async function placer(): Promise<(graph: Graph) => Promise<Placed>> {
  useSoftwareGraphics();
  const { ort } = await node.ort('webgpu', 1);
  const graphics = await node.graphics(true);
  if (!graphics.device) throw new Error(`placement: there is no graphics device: ${graphics.why}`);
  const { device } = graphics;
  return async ({ bytes, name }) => {
    const log = await heard(async () => {
      ort.env.logLevel = 'verbose';
      const providers = [{ name: 'webgpu', device } as never];
      const levels = { logSeverityLevel: 0, logVerbosityLevel: 0 } as const;
      const session = await ort.InferenceSession.create(bytes, { executionProviders: providers, ...levels });
      await session.release();
    });
    if (typeof log !== 'string') throw new Error(`placement: the graph of ${name} does not open: ${log.message}`);
    const placed: Placed = { onDevice: 0, onHost: [], copies: 0 };
    let onDevice = false;
    for (const line of log.split('\n')) {
      const said = line.split('VerifyEachNodeIsAssignedToAnEp]')[1];
      if (said === undefined) continue;
      const [, provider, nodes] = /placed on \[(\w+)ExecutionProvider\]\. Number of nodes: (\d+)/.exec(said) ?? [];
      const type = /^ {2,}(\w+) \(/.exec(said)?.[1];
      // Where all nodes are in one place they are not listed.
      if (provider && said.includes('All nodes')) placed.onDevice += provider === 'WebGpu' ? Number(nodes) : 0;
      if (provider) onDevice = provider === 'WebGpu';
      else if (type?.startsWith('Memcpy')) placed.copies++;
      else if (type && onDevice) placed.onDevice++;
      else if (type) placed.onHost.push(type);
    }
    if (placed.onDevice + placed.onHost.length === 0)
      throw new Error(`placement: the log of ${name} names no nodes; look at what this version of the runtime prints`);
    return placed;
  };
}

let lines: string[] = [];
/** The runtime takes the verbs of the console when its first session opens, and keeps them. */
const listen = (...words: unknown[]): void => {
  lines.push(words.join(' '));
};

/** What the runtime prints while some work goes on. */
async function heard(work: () => Promise<void>): Promise<string | Error> {
  const { log, info, debug, warn, error } = console;
  lines = [];
  Object.assign(console, { log: listen, info: listen, debug: listen, warn: listen, error: listen });
  try {
    await work();
    return lines.join('\n');
  } catch (failure) {
    return failure as Error;
  } finally {
    Object.assign(console, { log, info, debug, warn, error });
  }
}

const counted = (types: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([type, n]) => (n === 1 ? type : `${n} ${type}`))
    .join(', ');
};

/** One row of a table: of several graphs the one that leaves the device most. */
async function row(name: string, graphs: readonly Graph[], place: (graph: Graph) => Promise<Placed>): Promise<string> {
  let worst: Placed | undefined;
  for (const graph of graphs) {
    const placed = await place(graph);
    const more = (a: Placed, b: Placed) => a.onHost.length - b.onHost.length || a.copies - b.copies;
    if (!worst || more(placed, worst) > 0) worst = placed;
  }
  const { onDevice, onHost, copies } = worst!;
  return `| ${name} | ${graphs.length} | ${onDevice} | ${counted(onHost) || 'none'} | ${copies} |`;
}

export async function placementText(): Promise<string> {
  const place = await placer();
  const all = Object.values(operators).map(({ definition }) => definition as unknown as AnyDefinition);
  const head = ['nodes on the device', 'nodes that leave it', 'copies'].join(' | ');
  const rows: string[] = [];
  for (const definition of all)
    if (definition.graph) rows.push(await row(`\`${definition.name}\``, graphsOf(definition), place));
  const methodRows: string[] = [];
  const seen = new Set<string>();
  for (const [method, graphs] of await graphsOfMethods()) {
    const names = [...new Set(graphs.map(({ name }) => name))].filter((name) => !all.some((own) => own.name === name));
    for (const name of names) {
      const own = graphs.filter((graph) => graph.name === name);
      const known = own.every(({ bytes }) => seen.has(Buffer.from(bytes).toString('base64')));
      for (const { bytes } of own) seen.add(Buffer.from(bytes).toString('base64'));
      if (!known) methodRows.push(await row(`${method}: \`${name}\``, own, place));
    }
  }
  const host = all.filter(({ graph }) => !graph).map(({ name }) => `\`${name}\``);
  return `${[
    '<!-- Made by test/check/placement.ts from the graphs of the library. Change those, then run it again. -->',
    '# Where graphs run',
    'Which nodes of each graph leave the graphics device on WebGPU, as ONNX Runtime says when it opens the graph. A node leaves ' +
      'where the runtime has no kernel for it; it then runs on the processor of the host, and a copy stands before or behind it. ' +
      'Nodes that compute with shapes (64-bit integers) always do; they hold a few numbers and cost nothing. Of an operator ' +
      'with several settings, and of a method with several forms, the graph is shown that leaves the device most.',
    '## Operators',
    `| operator | graphs | ${head} |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}`,
    `These are host operators and have no graph: ${host.join(', ')}.`,
    '## Attention and encodings of each method',
    'Graphs that an earlier method has too are not repeated.',
    `| graph | forms | ${head} |\n| --- | --- | --- | --- | --- |\n${methodRows.join('\n')}`,
  ].join('\n\n')}\n`;
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(placementPath, await placementText());
  process.exit(0);
}
