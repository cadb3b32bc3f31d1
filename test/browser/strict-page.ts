/** A page that forbids every script but files of its own, with the built extension in it: what a strict server would serve. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const built = join(root, 'lab-extension/labextension/static');
const lumino = [
  'algorithm collections coreutils signaling disposable domutils keyboard messaging properties virtualdom commands dragdrop widgets',
].flatMap((names) => names.split(' '));

/** What the policy allows beyond files of the same origin: styles in elements, and pictures that the page itself makes. */
export const strictPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'";

const page = (entry: string) => `<!doctype html><meta charset="utf-8"><title>kvlab</title>
<link rel="stylesheet" href="/style/index.css"><body data-jp-theme-light="true">
${lumino.map((name) => `<script src="/lumino/${name}.js"></script>`).join('\n')}
<script src="/static/${entry}"></script><script src="/mount.js"></script>`;

/** Gives the extension its shared package as JupyterLab would, and offers `show(bundle)`. */
const mount = `window.violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.violations.push(event.effectiveDirective + ' ' + event.blockedURI + ' ' + event.sourceFile));
window.ready = (async () => {
  const extension = _JUPYTERLAB['@kvlab/lab-extension'];
  const widgets = { get: async () => () => lumino_widgets, from: 'page', loaded: 1 };
  await extension.init({ '@lumino/widgets': { '2.8.0': widgets } });
  const { default: mime } = (await extension.get('./mimeExtension'))();
  window.show = async (data) => {
    for (const child of [...document.querySelectorAll('.kvlab-bundle')]) child.remove();
    const widget = mime.rendererFactory.createRenderer({});
    lumino_widgets.Widget.attach(widget, document.body);
    await widget.renderModel({ data: { [mime.rendererFactory.mimeTypes[0]]: data } });
  };
})();`;

export async function serveStrictPage(): Promise<{ url: string; close(): Promise<void> }> {
  const entry = readdirSync(built).find((name) => name.startsWith('remoteEntry'));
  if (!entry) throw new Error('strict page: the extension is not built; run npm run build in lab-extension');
  const sources: Record<string, (name: string) => string> = {
    static: (name) => join(built, name),
    style: (name) => join(root, 'lab-extension/style', name),
    lumino: (name) => join(root, 'node_modules/@lumino', name.replace(/\.js$/, ''), 'dist/index.js'),
  };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const [, folder = '', name = ''] = path.split('/');
    response.setHeader('content-security-policy', strictPolicy);
    const type = path.endsWith('.js') ? 'text/javascript' : path.endsWith('.css') ? 'text/css' : 'text/html';
    response.setHeader('content-type', type);
    try {
      if (path === '/') response.end(page(entry));
      else if (path === '/mount.js') response.end(mount);
      else response.end(await readFile(sources[folder]!(basename(name))));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('strict page: the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close: () => new Promise((closed) => server.close(() => closed())),
  };
}
