/** One queue for everything that enters ONNX Runtime.
 *
 *  Two sessions that run at once crash its WebAssembly module, two that are created at once refuse each other, and one
 *  session run twice at once hangs. The queue therefore belongs to the process and not to a runtime: it hangs on the
 *  global object, so that two copies of this package share it too. */

const key = Symbol.for('kvlab.runtime.queue');
type Holder = Record<symbol, Promise<unknown> | undefined>;

/** Runs the task when all earlier tasks have settled, and gives its result. A task that fails does not stop later ones. */
export function enqueue<Result>(task: () => Promise<Result>): Promise<Result> {
  const holder = globalThis as unknown as Holder;
  const result = (holder[key] ?? Promise.resolve()).then(task);
  holder[key] = result.catch(() => undefined);
  return result;
}
