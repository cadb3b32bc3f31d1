/** A page that mounts the lab alone, fed with recorded or made-up frames: for pictures of panels without a JupyterLab around them. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join, normalize } from 'node:path';
import { decodeFrame, encodeFrame, type Frame } from 'kvlab/frame';
import { packed, packedFrames } from '../panels/packed-frames.ts';
import { type RecordedOptions, recordedRun } from '../panels/recorded-run.ts';
import { framesOf, type RecordedName, recordedSnapshot } from '../panels/replayed.ts';

const root = join(import.meta.dirname, '../..');

const html = `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/lab-extension/style/index.css">
<style>body { margin: 0 } body { --jp-layout-color1: #ffffff; --jp-ui-font-family: 'Liberation Sans', sans-serif }
body[data-jp-theme-light=false] { --jp-layout-color1: #212121 } #lab { height: 100vh }</style>
<script type="importmap">{"imports": {"kvlab/frame": "/kernel/dist/engine/record/frame.js", "plotly.js-cartesian-dist-min": "/plotly.js", "@uwdata/flechette": "/node_modules/@uwdata/flechette/dist/flechette.mjs"}}</script>
<div id="lab"></div>`;

/** Serves the built extension, the page, and runs at /frames: recorded=… or made up by method=…, each frame as length, header and buffer. */
export async function servePanels(): Promise<{ url: string; close(): Promise<void> }> {
  const server: Server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const type = /\.m?js$/.test(url.pathname)
      ? 'text/javascript'
      : url.pathname.endsWith('.css')
        ? 'text/css'
        : 'text/html';
    response.setHeader('content-type', type);
    try {
      if (url.pathname === '/') response.end(html);
      else if (url.pathname === '/plotly.js')
        response.end(`${await readFile(join(root, 'node_modules/plotly.js-cartesian-dist-min/plotly-cartesian.min.js'), 'utf8')}
export default globalThis.moduleName;`);
      else if (url.pathname === '/frames')
        response.end(runFrames(Object.fromEntries(url.searchParams) as Record<string, string>));
      else response.end(await readFile(join(root, normalize(url.pathname))));
    } catch (error) {
      response.statusCode = 404;
      response.end(String(error));
    }
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('panel page: the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close: () => new Promise((closed) => server.close(() => closed())),
  };
}

function runFrames({ file, recorded, method, steps, tellings, until, lean }: Record<string, string>): Buffer {
  if (file) return readFileSync(file);
  if (recorded) return packed(framesOf(recordedSnapshot(recorded as RecordedName), Number(until ?? 1e9)));
  const options: RecordedOptions = { steps: Number(steps ?? 100), tellings: Number(tellings ?? 1) };
  if (method) options.method = method as NonNullable<RecordedOptions['method']>;
  return lean ? packed(leanFrames(recordedRun(options))) : packedFrames(options);
}

/** Frames as the recorder sends them: large state columns with every sixteenth step and the last. */
function* leanFrames(frames: Iterable<Frame>): Generator<Frame> {
  for (const { header, buffer } of frames) {
    const columns = decodeFrame(header, buffer);
    const withState = header.step % 16 === 0 || header.state === 'finished';
    const kept = Object.entries(columns).filter(
      ([name, { lane }]) => lane === 'log' || withState || name.startsWith('heavy.top'),
    );
    yield encodeFrame(header, Object.fromEntries(kept));
  }
}

/** Runs in the page: mounts a lab and feeds it frames up to a step. */
export const mountScript = `async ({ file = '', recorded = '', method = '', steps = 100, until = 1e9, tellings = 1 }) => {
  const { createLab } = await import('/lab-extension/lib/lab/lab.js');
  const store = await import('/lab-extension/lib/store/store.js');
  window.page ??= { store: store.createStore(), api: store };
  const { page } = window;
  if (!page.lab) { page.lab = createLab(page.store, window.labOptions?.() ?? {}); document.getElementById('lab').append(page.lab.node); }
  const bytes = await (await fetch('/frames?' + new URLSearchParams({ file, recorded, method, steps, until, tellings }))).arrayBuffer();
  const view = new DataView(bytes);
  for (let at = 0; at < bytes.byteLength; ) {
    const [headerLength, bufferLength] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, at + 8, headerLength)));
    const buffer = bytes.slice(at + 8 + headerLength, at + 8 + headerLength + bufferLength);
    at += 8 + headerLength + bufferLength;
    if (header.step > until) break;
    if (!recorded && header.step === until && until < steps) header.state = 'running';
    store.receiveFrame(page.store, header, buffer);
  }
}`;
