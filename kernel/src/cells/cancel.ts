/** Awaits that an interrupt can stop. Every `await` and `for await` of a cell goes through here.
 *
 *  A JavaScript promise cannot be cancelled, so an interrupted loop would go on for ever: after the interrupt each of its
 *  awaits throws instead of waiting. */
import { currentRun, type Run } from './running.ts';

/** What an await of an interrupted cell throws. */
export class Interrupted extends Error {
  override name = 'Interrupted';
  constructor() {
    super('the cell was interrupted; variables are kept');
  }
}

/** Time in ms that awaited work gets to end by itself. Work that took the signal gets longer, so that an interrupted
 *  generation can hand over what it has; it usually needs a tenth of that. */
export function graceMs(run: Run): number {
  return run.cooperative ? 2000 : 150;
}
/** An event loop without a turn for this long would not even hear of the interrupt. */
const turnMs = 20;
/** Code that catches the interrupt and loops on would spin; after this many refusals its awaits never settle. */
const refusalsAllowed = 20;

let lastTurn = performance.now();

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null)?.then === 'function';
}

function refuse(run: Run): Promise<never> {
  run.refusals += 1;
  return run.refusals > refusalsAllowed ? new Promise(() => undefined) : Promise.reject(new Interrupted());
}

/** Waits for a value on behalf of the current cell; rejects with `Interrupted` once the cell is interrupted. */
export async function wait<T>(value: T | PromiseLike<T>): Promise<T> {
  const run = currentRun();
  if (!run) return value;
  if (performance.now() - lastTurn > turnMs) {
    await new Promise(setImmediate);
    lastTurn = performance.now();
  }
  if (run.controller.signal.aborted) return refuse(run);
  if (!isThenable(value)) return value;
  return new Promise<T>((resolve, reject) => {
    const stop = () => setTimeout(() => refuse(run).catch(reject), graceMs(run));
    run.stops.add(stop);
    value.then(
      (result) => {
        run.stops.delete(stop);
        resolve(result);
      },
      (error) => {
        run.stops.delete(stop);
        reject(error);
      },
    );
  });
}

/** The iterable of a `for await`, each step awaited as above; an interrupt closes it. */
export function each<T>(iterable: AsyncIterable<T> | Iterable<T | PromiseLike<T>>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const asynchronous = Symbol.asyncIterator in iterable;
      const iterator = asynchronous ? iterable[Symbol.asyncIterator]() : iterable[Symbol.iterator]();
      return {
        async next() {
          try {
            const step = await wait(iterator.next());
            return step.done ? { done: true, value: undefined } : { done: false, value: await wait(step.value) };
          } catch (error) {
            if (error instanceof Interrupted) Promise.resolve(iterator.return?.()).catch(() => undefined);
            throw error;
          }
        },
        async return(value) {
          await iterator.return?.(value);
          return { done: true, value };
        },
      };
    },
  };
}
