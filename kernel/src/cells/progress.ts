/** One line that tells how far something is, updated in place at most ten times a second. */
import { showBundle } from './display.ts';

const updateMs = 100;
const barWidth = 24;

function seconds(value: number): string {
  if (!Number.isFinite(value)) return '?';
  if (value < 60) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

function line(label: string, done: number, total: number | undefined, elapsed: number, ended: boolean): string {
  const rate = elapsed > 0 ? done / elapsed : 0;
  const speed = `${rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3)}/s`;
  const name = label ? `${label}: ` : '';
  if (total === undefined || total === 0) return `${name}${done} (${speed}, ${seconds(elapsed)})`;
  const share = Math.min(1, done / total);
  const filled = Math.round(share * barWidth);
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  const time = ended ? `in ${seconds(elapsed)}` : `${seconds((total - done) / rate)} left`;
  return `${name}${bar} ${Math.round(share * 100)} % ${done}/${total} (${speed}, ${time})`;
}

/** Progress that the caller moves. */
export interface Progress {
  /** Adds to what is done. */
  advance(by?: number): void;
  /** Says that it is over, also when the total was not reached. */
  end(): void;
}

let count = 0;

function start(total: number | undefined, label: string): Progress {
  const id = `kvlab-progress-${process.pid}-${count++}`;
  const began = performance.now();
  let done = 0;
  let shownAt = -Infinity;
  let ended = false;
  function show(update: boolean) {
    shownAt = performance.now();
    const text = line(label, done, total, (shownAt - began) / 1000, ended);
    showBundle({ 'text/plain': text }, { id, update });
  }
  show(false);
  return {
    advance(by = 1) {
      done += by;
      if (!ended && performance.now() - shownAt >= updateMs) show(true);
    },
    end() {
      if (ended) return;
      ended = true;
      show(true);
    },
  };
}

/** Progress over a number of things, moved by `advance()`; or over the items of an iterable, as they are taken. */
export function progress(total: number, label?: string): Progress;
export function progress<T>(items: Iterable<T>, label?: string): Iterable<T>;
export function progress<T>(items: AsyncIterable<T>, label?: string): AsyncIterable<T>;
export function progress<T>(
  over: number | Iterable<T> | AsyncIterable<T>,
  label = '',
): Progress | Iterable<T> | AsyncIterable<T> {
  if (typeof over === 'number') return start(over, label);
  const { length, size } = over as { length?: number; size?: number };
  const total = length ?? size;
  if (Symbol.asyncIterator in over)
    return (async function* () {
      const bar = start(total, label);
      try {
        for await (const item of over) {
          yield item;
          bar.advance();
        }
      } finally {
        bar.end();
      }
    })();
  return (function* () {
    const bar = start(total, label);
    try {
      for (const item of over) {
        yield item;
        bar.advance();
      }
    } finally {
      bar.end();
    }
  })();
}
