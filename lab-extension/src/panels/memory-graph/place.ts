/** Places a graph beside the page: in a worker, so that no graph, however large, holds the page up. */
import type { Run } from '../../store/run.ts';
import { encodeGraph } from './encode.ts';
import { type GraphToPlace, type Layout, layoutOf } from './layout.ts';

/** Up to this many nodes are placed at once, in a few ms; a tree always is. */
const placedAtOnce = 60;
/** Time for placing in one turn of the page where there is no worker, in ms. */
const slice = 8;

/** Most nodes that get a place. */
const mostPlaced = 1000;

/** Everything that a run has, whatever step is shown; of very many nodes those that stand out. */
export function graphToPlace(run: Run): GraphToPlace {
  const { nodes, links, tree } = encodeGraph(run, Number.POSITIVE_INFINITY, mostPlaced);
  return {
    size: nodes.reduce((most, { node }) => Math.max(most, node), 0) + 1,
    nodes: nodes.map(({ node, kind }) => ({ node, kind })),
    links: links.map(({ source, target, kind }) => ({ source, target, kind })),
    tree,
  };
}

/** What the worker sends: the share that is done, or the places. */
export type Placed = { done: number } | { layout: Layout };

export interface Told {
  progress(done: number): void;
  placed(layout: Layout): void;
}

/** Begins to place a graph; gives what cancels it. Small graphs are placed when it returns. */
export function startPlacing(graph: GraphToPlace, told: Told): () => void {
  if (graph.tree || graph.nodes.length <= placedAtOnce) {
    told.placed(wholeLayout(graph));
    return () => {};
  }
  let cancel: () => void;
  const inSlices = () => {
    cancel = placeInSlices(graph, told);
  };
  try {
    const worker = new Worker(new URL('./layout-worker.js', import.meta.url), { type: 'module' });
    cancel = () => worker.terminate();
    worker.onmessage = ({ data }: MessageEvent<Placed>) => {
      if (!('layout' in data)) return told.progress(data.done);
      worker.terminate();
      told.placed(data.layout);
    };
    // Files from another origin cannot become workers.
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      inSlices();
    };
    worker.postMessage(graph);
  } catch {
    inSlices();
  }
  return () => cancel();
}

/** The places of a graph, in one go. */
export function wholeLayout(graph: GraphToPlace): Layout {
  const work = layoutOf(graph);
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

/** A few ms in each frame of the page. */
function placeInSlices(graph: GraphToPlace, told: Told): () => void {
  const work = layoutOf(graph);
  let turn = 0;
  const go = () => {
    const start = performance.now();
    while (performance.now() - start < slice) {
      const next = work.next();
      if (next.done) return told.placed(next.value);
      told.progress(next.value);
    }
    turn = requestAnimationFrame(go);
  };
  turn = requestAnimationFrame(go);
  return () => cancelAnimationFrame(turn);
}
