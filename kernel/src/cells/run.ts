/** Running one cell: load its modules, run its code, report how it ended. */

import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { bundleOf } from './bundle.ts';
import { each, graceMs, Interrupted, wait } from './cancel.ts';
import { displaysSent } from './display.ts';
import { defaultOf, requireOf } from './imports.ts';
import { type Run, within } from './running.ts';
import { cellError, trace } from './traceback.ts';
import { type CellError, type CompiledCell, type ExpressionResult, type RunRequest, writeMessage } from './wire.ts';

type Namespace = Record<string, unknown>;
type Importer = (name: string, options?: ImportCallOptions) => Promise<Namespace>;

/** What the code of a cell gets as `__kvlab`. */
interface Runtime {
  wait: typeof wait;
  each: typeof each;
  result(value: unknown): unknown;
  import: Importer;
  require: NodeJS.Require;
  meta: { url: string; filename: string; dirname: string };
}

/** Top-level names of all cells of this notebook. */
const scope: Namespace = {};
const active = new Map<number, Run>();
/** Runs that have ended; what they started may still go on. */
const ended = new Set<Run>();

/** Code that holds on longer than its awaits may is reported as ended; whatever it still does is refused. */
const forcedEndMs = 150;

const helpers = {
  __importDefault: defaultOf,
  __importStar: (namespace: Namespace) => namespace,
};

function parameters(cell: CompiledCell, run: Run): Runtime {
  return {
    wait,
    each,
    result: (value) => {
      run.value = { value };
      return value;
    },
    import: async () => ({}),
    require: requireOf(cell.file, cell.version),
    meta: { url: pathToFileURL(cell.file).href, filename: cell.file, dirname: dirname(cell.file) },
  };
}

/** Compiles the code into a function. The file name makes `import()` start from the notebook's folder. */
function load(cell: CompiledCell, runtime: Runtime): (imports: Map<string, Namespace>) => unknown {
  trace(cell);
  const keyword = cell.awaits ? 'async function' : 'function';
  const lead = `(${keyword} (exports, require, __kvlab, __filename, __dirname) {`;
  const options = { filename: cell.file, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER };
  runtime.import = new vm.Script('(name, options) => import(name, options)', options).runInThisContext();
  const code = new vm.Script(`${lead}${cell.code}\n})`, { ...options, columnOffset: -lead.length }).runInThisContext();
  return (imports) => {
    const require = (name: string) => (/^\.\/kvlab-cell-\d+$/.test(name) ? scope : imports.get(name));
    return code.call(helpers, scope, require, runtime, runtime.meta.filename, runtime.meta.dirname);
  };
}

async function importAll(cell: CompiledCell, runtime: Runtime): Promise<Map<string, Namespace>> {
  const imports = new Map<string, Namespace>();
  for (const name of cell.imports)
    imports.set(
      name,
      await wait(runtime.import(name, name.endsWith('.json') ? { with: { type: 'json' } } : undefined)),
    );
  return imports;
}

async function body(cell: CompiledCell, run: Run): Promise<void> {
  const runtime = parameters(cell, run);
  const start = load(cell, runtime);
  const imports = cell.imports.length > 0 ? await importAll(cell, runtime) : new Map<string, Namespace>();
  await start(imports);
}

async function evaluate(cell: CompiledCell, run: Run): Promise<ExpressionResult> {
  const own: Run = { ...run, value: undefined };
  try {
    await within(own, () => body(cell, own));
    return { status: 'ok', data: await bundleOf(own.value?.value), metadata: {} };
  } catch (error) {
    return { status: 'error', ...cellError(error) };
  }
}

/** Ends a run once; later endings are ignored. */
async function finish(run: Run, request: RunRequest, error?: CellError): Promise<void> {
  if (run.finished) return;
  run.finished = true;
  active.delete(run.run);
  ended.add(run);
  await displaysSent();
  const interrupted = run.controller.signal.aborted && !error ? cellError(new Interrupted()) : undefined;
  if (!error && run.value && run.value.value !== undefined)
    writeMessage({
      type: 'result',
      run: run.run,
      data: await within(run, () => bundleOf(run.value?.value)),
      metadata: {},
    });
  const expressions: Record<string, ExpressionResult> = {};
  if (!error && !interrupted)
    for (const [name, cell] of Object.entries(request.expressions)) expressions[name] = await evaluate(cell, run);
  const ending = error ?? interrupted;
  writeMessage({
    type: 'done',
    run: run.run,
    error: ending,
    missing: ending ? request.values.filter((name) => !(name in scope)) : [],
    expressions,
  });
}

/** Runs a cell. The end is reported by message, so nothing has to wait for it. */
export function execute(request: RunRequest): void {
  const run: Run = {
    run: request.run,
    number: request.number,
    allowInput: request.allowInput,
    controller: new AbortController(),
    stops: new Set(),
    cooperative: false,
    refusals: 0,
    finished: false,
    end: (error) => void finish(run, request, error),
  };
  active.set(run.run, run);
  within(run, () => body(request.cell, run)).then(
    () => run.end(),
    (error: unknown) => run.end(cellError(error)),
  );
}

/** Interrupts the cells that run, or what earlier cells left behind when none does. `broken` says that a blocked loop was
 *  broken off: its cell will not report by itself. */
export function interrupt(broken: boolean): void {
  const runs = active.size > 0 ? [...active.values()] : [...ended];
  ended.clear();
  for (const run of runs) {
    run.controller.abort(new Interrupted());
    for (const stop of run.stops) stop();
    const end = () => run.end(cellError(new Interrupted()));
    if (broken) end();
    else setTimeout(end, graceMs(run) + forcedEndMs);
  }
}
