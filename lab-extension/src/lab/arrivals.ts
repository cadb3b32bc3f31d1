/** The order of frames from one kernel: which are taken in, and what is asked for again after a gap.
 *
 *  Frames are numbered for each page over all runs, so a gap does not say whose frame is missing. All runs are then asked
 *  for, and what comes before their snapshots is left out: log columns must not grow with a hole in them. */
import type { FrameHeader } from 'kvlab/frame';
import { checkedSnapshot } from '../store/bundle.ts';
import { receiveFrame, type Store } from '../store/store.ts';

export interface Arrivals {
  /** Number of the newest frame that arrived. */
  readonly newest: number;
  /** Takes a frame in, or leaves it out until the snapshot comes. Throws when a snapshot cannot be taken in. */
  take(header: FrameHeader, buffer: ArrayBuffer | DataView): void;
  /** The kernel says how many frames it has sent: the last ones may have been lost without a successor. */
  sent(seq: number): void;
}

/** `ask` sends for the snapshot of a run, or of all. */
export function createArrivals(store: Store, ask: (run?: string) => void): Arrivals {
  const awaited = new Set<string>();
  /** Runs whose snapshot was refused: asking again would bring the same. */
  const refused = new Set<string>();
  let newest = 0;

  const askForAll = () => {
    for (const run of store.runs.keys()) if (!store.ended.has(run)) awaited.add(run);
    ask();
  };
  const knows = (run: string) => store.runs.has(run) && !store.ended.has(run) && !awaited.has(run);

  return {
    get newest() {
      return newest;
    },
    take(header, buffer) {
      const { seq, run, snapshot } = header;
      const gap = seq !== newest + 1;
      newest = seq;
      if (gap) askForAll();
      if (snapshot) {
        awaited.delete(run);
        refused.add(run);
        // A recorded run comes from a file, and that from anybody.
        receiveFrame(store, header.info?.recorded ? checkedSnapshot(header, buffer) : header, buffer);
        refused.delete(run);
        return;
      }
      if (refused.has(run)) return;
      if (!knows(run)) {
        if (!gap && !awaited.has(run)) {
          awaited.add(run);
          ask(run);
        }
        return;
      }
      try {
        receiveFrame(store, header, buffer);
      } catch {
        // What does not fit to what is known came from another past: the whole run is asked for.
        awaited.add(run);
        ask(run);
      }
    },
    sent(seq) {
      if (seq <= newest) return;
      newest = seq;
      askForAll();
    },
  };
}
