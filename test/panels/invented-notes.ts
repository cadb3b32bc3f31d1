/** A memory of notes and links that nobody recorded: invented, so that the graph has something to draw before such a method runs. */
import {
  type ColumnData,
  encodeFrame,
  type Frame,
  type GraphColumn,
  graphColumns,
  graphOperations,
  type LinkKind,
  linkKinds,
  nodeKinds,
  type RunInfo,
} from 'kvlab/frame';
import { seeded } from '../engine/seeded.ts';

const hubs = ['lighthouse', 'storm', 'boy', 'notebook'];
const notes = [
  'the lamp', 'one line a day', 'Pell Point', '91 steps', 'keeper Mara', 'radio silent', 'rain', 'wind', 'third night', 'dark lantern', 'did not speak', 'green boat', 'on the rocks', 'points at book', 'blue cover', 'every evening', 'under her arm', 'wind, ships, birds',
]; // biome-ignore format: one line
const links: readonly (readonly [from: string, to: string, kind: LinkKind, step: number])[] = [
  ['the lamp', 'lighthouse', 'about', 2], ['one line a day', 'lighthouse', 'about', 3], ['Pell Point', 'lighthouse', 'about', 3],
  ['91 steps', 'lighthouse', 'about', 4], ['keeper Mara', 'lighthouse', 'about', 5], ['radio silent', 'storm', 'about', 6],
  ['rain', 'storm', 'about', 6], ['wind', 'storm', 'about', 7], ['third night', 'storm', 'about', 8],
  ['dark lantern', 'boy', 'about', 9], ['did not speak', 'boy', 'about', 10], ['green boat', 'boy', 'about', 10],
  ['on the rocks', 'boy', 'about', 11], ['points at book', 'boy', 'about', 12], ['blue cover', 'notebook', 'about', 12],
  ['every evening', 'notebook', 'about', 13], ['under her arm', 'notebook', 'about', 13], ['wind, ships, birds', 'notebook', 'about', 14],
  ['blue cover', 'points at book', 'about', 14], ['lighthouse', 'storm', 'then', 8], ['storm', 'boy', 'then', 9], ['boy', 'notebook', 'then', 12],
  ['third night', 'blue cover', 'like', 15], ['the lamp', 'dark lantern', 'like', 15], ['wind', 'wind, ships, birds', 'like', 16],
  ['one line a day', 'every evening', 'like', 16], ['green boat', 'third night', 'then', 16],
]; // biome-ignore format: three a line
export const path = ['notebook', 'blue cover', 'points at book', 'boy'];
export const activations: Readonly<Record<string, number>> = {
  notebook: 0.78,
  'blue cover': 0.52,
  'points at book': 0.44,
  boy: 0.36,
  lighthouse: 0.3,
  'every evening': 0.4,
};
export const names = [...hubs, ...notes];
export const linkCount = links.length;

const info: RunInfo = {
  run: 'notes',
  title: 'invented notes',
  model: { name: 'none', layers: 1, queryHeads: 1, kvHeads: 1, headSize: 1, context: 1 },
  method: { name: 'notes', setting: 'invented', paper: '', slots: [], quantizes: false, departures: [] },
  zones: ['fresh'],
  promptLength: 0,
  maxTokens: 20,
  device: 'none',
  seed: 0,
  sinkCount: 1,
  leftOut: '',
};

/** Everything up to step 20: a note that was forgotten, and one that was read twice. */
export function inventedNotes(): Frame {
  const at = (name: string) => names.indexOf(name);
  const stepOf = (name: string) =>
    Math.min(...links.filter(([from, to]) => from === name || to === name).map(([, , , step]) => step));
  const operations = [[17, 'forget', 'rain'], [18, 'read', 'notebook'], [19, 'read', 'notebook']] as const; // biome-ignore format: one line
  const data = {
    'node.kind': Uint8Array.from(names, (name) => nodeKinds.indexOf(hubs.includes(name) ? 'hub' : 'note')),
    'node.step': Uint32Array.from(names, stepOf),
    'node.label': new TextEncoder().encode(names.map((name) => `${name}\0`).join('')),
    'node.from': new Uint32Array(names.length),
    'node.to': new Uint32Array(names.length),
    'link.source': Uint32Array.from(links, ([from]) => at(from)),
    'link.target': Uint32Array.from(links, ([, to]) => at(to)),
    'link.kind': Uint8Array.from(links, ([, , kind]) => linkKinds.indexOf(kind)),
    'link.weight': new Float32Array(links.length).fill(1),
    'link.step': Uint32Array.from(links, ([, , , step]) => step),
    'graph.step': Uint32Array.from(operations, ([step]) => step),
    'graph.operation': Uint8Array.from(operations, ([, operation]) => graphOperations.indexOf(operation)),
    'graph.node': Uint32Array.from(operations, ([, , name]) => at(name)),
    'graph.other': new Int32Array(operations.length).fill(-1),
    'node.activation': Float32Array.from(names, (name) => activations[name] ?? 0.05),
    'node.bytes': new Float64Array(names.length).fill(100),
    'path.node': Uint32Array.from(path, at),
  } as const;
  return frameOf('notes', data);
}

/** A large memory: notes about hubs, and a few links besides, drawn by lot from a seed. */
export function manyNotes(count: number): Frame {
  const random = seeded(7);
  const hubCount = Math.max(1, Math.round(count / 12));
  const linked = Array.from({ length: 2 * count }, (_, i) => {
    const from = i % count;
    const about = i < count && from >= hubCount;
    return { from, to: random.whole(0, (about ? hubCount : count) - 1), kind: about ? 'about' : 'like' } as const;
  });
  return frameOf(`notes-${count}`, {
    'node.kind': Uint8Array.from({ length: count }, (_, i) => nodeKinds.indexOf(i < hubCount ? 'hub' : 'note')),
    'node.step': new Uint32Array(count),
    'node.label': new TextEncoder().encode(Array.from({ length: count }, (_, i) => `note ${i}\0`).join('')),
    'node.from': new Uint32Array(count),
    'node.to': new Uint32Array(count),
    'link.source': Uint32Array.from(linked, ({ from }) => from),
    'link.target': Uint32Array.from(linked, ({ to }) => to),
    'link.kind': Uint8Array.from(linked, ({ kind }) => linkKinds.indexOf(kind)),
    'link.weight': new Float32Array(linked.length).fill(1),
    'link.step': new Uint32Array(linked.length),
    'node.activation': Float32Array.from({ length: count }, () => random.whole(0, 100) / 100),
    'node.bytes': new Float64Array(count).fill(100),
  });
}

function frameOf(run: string, data: Partial<Record<GraphColumn, ColumnData>>): Frame {
  const columns = Object.fromEntries(
    Object.entries(data).map(([name, data]) => [
      name,
      { lane: graphColumns[name as keyof typeof graphColumns].lane, shape: [data.length], data },
    ]),
  );
  return encodeFrame(
    {
      type: 'frame',
      version: 1,
      run,
      seq: 1,
      merged: 0,
      snapshot: true,
      info: { ...info, run },
      step: 20,
      state: 'finished',
      texts: [],
    },
    columns,
  );
}
