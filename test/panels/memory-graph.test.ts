/** The memory graph: invented notes and links, places that a replay does not move, and the tree that a method really cuts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods } from '@kvlab/ops';
import { lab } from 'kvlab';
import { type Frame, mergeFrames } from 'kvlab/frame';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { setHost } from '../../kernel/src/host.ts';
import { describeGraph, nodeTable } from '../../lab-extension/src/panels/memory-graph/describe.ts';
import {
  encodeGraph,
  hasGraph,
  labelled,
  labelsOf,
  mostNodes,
  nodeOf,
} from '../../lab-extension/src/panels/memory-graph/encode.ts';
import { graphToPlace, wholeLayout } from '../../lab-extension/src/panels/memory-graph/place.ts';
import type { Said } from '../../lab-extension/src/panels/words.ts';
import type { Run } from '../../lab-extension/src/store/run.ts';
import { createStore, receiveFrame, shownRun } from '../../lab-extension/src/store/store.ts';
import { loadTiny } from '../engine/tiny-model.ts';
import { activations, inventedNotes, linkCount, names, path } from './invented-notes.ts';
import { recordedRun } from './recorded-run.ts';

const runOf = (...frames: Frame[]): Run => {
  const store = createStore();
  for (const { header, buffer } of frames) receiveFrame(store, header, buffer);
  return shownRun(store)!;
};
const words = (said: Said) => said.caption.map((phrase) => phrase.text).join('');
const notes = runOf(inventedNotes());

const finished = (run: Run) => wholeLayout(graphToPlace(run));

test('labels come apart at their zero bytes, whatever alphabet they are in', () => {
  const data = new TextEncoder().encode('boot\0שלום\0\0風\0');
  assert.deepEqual(labelsOf({ data, rows: data.length }), ['boot', 'שלום', '', '風']);
});

test('the graph at a step has the notes and links that are there by then', () => {
  const [early, late] = [5, 20].map((step) => encodeGraph(notes, step));
  assert.deepEqual(new Set(late!.nodes.map(({ label }) => label)), new Set(names));
  assert.equal(late!.links.length, linkCount);
  assert.ok(early!.nodes.length < late!.nodes.length && early!.links.length === 5);
  assert.ok(early!.nodes.every(({ step }) => step <= 5));
  const rain = late!.nodes.find(({ label }) => label === 'rain')!;
  assert.deepEqual([rain.goneAt, late!.gone], [17, 1]);
  assert.equal(encodeGraph(notes, 16).nodes.find(({ label }) => label === 'rain')!.goneAt, undefined);
  assert.equal(late!.nodes.find(({ label }) => label === 'notebook')!.reads, 2);
  assert.equal(late!.tree, false);
});

test('the words count notes, links and hops, and the list gives the hops in their order', () => {
  const drawing = encodeGraph(notes, 20);
  assert.equal(
    words(describeGraph(notes, drawing, 20, {})),
    `22 notes, ${linkCount} links; the query reached 4 notes in 3 hops.`,
  );
  const { rows } = nodeTable(drawing);
  assert.deepEqual(
    rows.slice(0, 4).map(([hop, name]) => [hop, name]),
    path.map((name, i) => [String(i), name]),
  );
  const notebook = names.indexOf('notebook');
  assert.equal(
    words(describeGraph(notes, drawing, 20, { node: notebook })),
    `hub notebook: since step 12, read 2 times, activation ${activations['notebook']}.`,
  );
});

test('places are the same each time, lie inside of the picture, and keep nodes apart', () => {
  const [one, two] = [finished(notes), finished(runOf(inventedNotes()))];
  assert.deepEqual(one, two);
  for (const axis of [one.x, one.y]) assert.ok(axis.every((value) => value >= 0 && value <= 1));
  let nearest = 1;
  for (let a = 0; a < names.length; a++)
    for (let b = 0; b < a; b++) nearest = Math.min(nearest, Math.hypot(one.x[a]! - one.x[b]!, one.y[a]! - one.y[b]!));
  assert.ok(nearest > 0.04, `${nearest}`);
});

test('of many nodes those that stand out are drawn and labelled, and the rest is counted', () => {
  const { header, buffer } = inventedNotes();
  const many = 500;
  const run = runOf({ header, buffer });
  const grow = (name: string, data: Uint8Array | Uint32Array) =>
    run.log.set(name, { data, rows: data.length, width: 1 } as never);
  grow('node.kind', new Uint8Array(many));
  grow('node.step', new Uint32Array(many));
  grow('node.label', new TextEncoder().encode(Array.from({ length: many }, (_, i) => `n${i}\0`).join('')));
  const drawing = encodeGraph(run, 20);
  assert.deepEqual([drawing.nodes.length, drawing.folded, drawing.all], [mostNodes, many - mostNodes, many]);
  assert.equal(labelled(drawing).size, 30);
  for (const node of drawing.path) assert.ok(labelled(drawing).has(node), 'the path keeps its labels');
  assert.match(describeGraph(run, drawing, 20, {}).subtitle, /200 more are folded away/);
});

test('a run without a structure says so', () => {
  const run = runOf(...recordedRun({ layers: 2, queryHeads: 2, kvHeads: 1, steps: 3 }));
  assert.equal(hasGraph(run), false);
  assert.match(describeGraph(run, undefined, 3, {}).missing!.text, /keeps a list of entries in each head/);
});

const tree =
  '{"thought":"go","subtasks":[{"thought":"look","conclusion":"red"},{"thought":"ask","conclusion":"no"}],"conclusion":"red"}';
let model: Model;
let live: Run;
before(async () => {
  model = await loadTiny('wasm');
  const frames: Frame[] = [];
  setHost({
    publish: (frame) => void frames.push(frame),
    display() {},
    onPanel: () => () => {},
    show() {},
    point() {},
    signal: () => undefined,
  });
  const ids = Array.from(model.tokenizer.encode(tree, { begin: false }).ids);
  await lab.compare(model, ids.slice(0, 2), { methods: [methods.timTree({ keepLists: 0 })], answer: ids.slice(2) });
  setHost(undefined);
  const own = frames.filter(
    ({ header }) =>
      header.run.length && frames.some((f) => f.header.run === header.run && f.header.info?.laneOf?.lane === 1),
  );
  live = runOf(own.reduce(mergeFrames));
});
after(() => model.release());

test('TIM tree sends the tree that it cuts: tasks in their lists, conclusions in their tasks, and which have left when', () => {
  const drawing = encodeGraph(live, live.step);
  assert.ok(drawing.tree);
  const kinds = drawing.nodes.map(({ kind }) => kind);
  assert.deepEqual(kinds, ['hub', 'segment', 'segment', 'note', 'segment', 'note', 'note']);
  assert.deepEqual(
    drawing.links.map(({ source, target }) => [source, target]),
    [[1, 0], [2, 1], [3, 2], [4, 1], [5, 4], [6, 0]], // biome-ignore format: one line
  );
  const gone = drawing.nodes.filter(({ goneAt }) => goneAt !== undefined);
  assert.deepEqual(
    gone.map(({ node }) => node),
    [1, 2, 4],
    'the closed list and its tasks; conclusions stay',
  );
  assert.ok(gone.every(({ goneAt, step }) => goneAt! > step));
  assert.equal(encodeGraph(live, gone[0]!.goneAt! - 1).gone, 0);
  assert.equal(words(describeGraph(live, drawing, live.step, {})), '6 segments in the tree; 3 have left the cache.');
  assert.deepEqual(
    drawing.nodes.slice(1, 5).map(({ label }) => label),
    ['2 tasks', 'look', 'red', 'ask'],
    'a list is named by its number of tasks, a task by its thought',
  );
  const no = nodeOf(drawing, drawing.nodes[5]!.from)!;
  assert.equal(no.kind, 'note');
  assert.match(no.label, /no/);
});

test('a tree is placed from top to bottom, its leaves in the order of the text', () => {
  const { x, y } = finished(live);
  const drawing = encodeGraph(live, live.step);
  for (const { source, target } of drawing.links) assert.ok(y[source]! > y[target]!);
  assert.ok(x[3]! < x[5]! && x[5]! < x[6]!);
});
