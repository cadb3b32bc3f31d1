/** The worker that places a graph. It is a file of its own and knows nothing but the layout. */
import { type GraphToPlace, layoutOf } from './layout.ts';
import type { Placed } from './place.ts';

/** Least time between two words on how far it is, in ms. */
const tellEvery = 100;

const page = self as unknown as {
  onmessage: ((event: MessageEvent<GraphToPlace>) => void) | null;
  postMessage(placed: Placed): void;
};

page.onmessage = ({ data: graph }) => {
  const work = layoutOf(graph);
  let told = performance.now();
  for (;;) {
    const next = work.next();
    if (next.done) return page.postMessage({ layout: next.value });
    if (performance.now() - told < tellEvery) continue;
    told = performance.now();
    page.postMessage({ done: next.value });
  }
};
