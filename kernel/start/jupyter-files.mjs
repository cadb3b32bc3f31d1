/** What JupyterLab finds in `.venv`: the kernelspec, the lab extension, and settings that keep it from asking the network. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fault } from './fault.mjs';

/** Environment for every Jupyter program, so that it keeps its files in `.venv` and reads none of the user's. */
export function jupyterEnvironment(root) {
  const own = join(root, '.venv', 'jupyter');
  return {
    JUPYTER_CONFIG_DIR: join(own, 'config'),
    JUPYTER_DATA_DIR: join(own, 'data'),
    JUPYTER_RUNTIME_DIR: join(own, 'runtime'),
    IPYTHONDIR: join(own, 'ipython'),
    JUPYTER_PATH: '',
  };
}

function writeJson(folder, name, value) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `${JSON.stringify(value, undefined, 2)}\n`);
}

/** Registers the kernel `kvlab`: this Node, this kernel, and the model when one is named. */
export function installKernelspec(root, node, model) {
  const source = join(root, 'kernel', 'kernelspec');
  const target = join(root, '.venv', 'share', 'jupyter', 'kernels', 'kvlab');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const template = join(source, 'kernel.template.json');
  const spec = existsSync(template)
    ? JSON.parse(readFileSync(template, 'utf8'))
    : { display_name: 'kvlab', language: 'typescript', interrupt_mode: 'message' };
  const argv = [node, join(root, 'kernel', 'dist', 'protocol', 'main.js'), '{connection_file}'];
  writeJson(target, 'kernel.json', { ...spec, argv, env: { ...spec.env, ...(model && { KVLAB_MODEL: model }) } });
  for (const name of existsSync(source) ? readdirSync(source) : []) {
    if (name.startsWith('logo-')) cpSync(join(source, name), join(target, name));
  }
}

/** Copies the built lab extension to where JupyterLab looks. */
export function installLabExtension(root) {
  const source = join(root, 'lab-extension', 'labextension');
  if (!existsSync(source)) {
    throw fault('lab extension', 'it is not built', `no ${source}`, 'Run npm run build and read what it says.');
  }
  const target = join(root, '.venv', 'share', 'jupyter', 'labextensions', '@kvlab', 'lab-extension');
  rmSync(target, { recursive: true, force: true });
  cpSync(source, target, { recursive: true });
}

/** Turns off what JupyterLab asks of the network by itself: news, update checks, the extension manager's index. */
export function installQuietSettings(root) {
  writeJson(join(root, '.venv', 'etc', 'jupyter'), 'jupyter_lab_config.json', {
    LabApp: {
      news_url: null,
      check_for_updates_class: 'jupyterlab.NeverCheckForUpdate',
      extension_manager: 'readonly',
    },
    // It would run npm and rustup to look for language servers, and those write to the user's home.
    LanguageServerManager: { autodetect: false },
  });
  writeJson(join(root, '.venv', 'share', 'jupyter', 'lab', 'settings'), 'overrides.json', {
    '@jupyterlab/apputils-extension:notification': { fetchNews: 'false', checkForUpdates: false },
  });
}
