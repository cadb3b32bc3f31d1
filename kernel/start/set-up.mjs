/** The steps that both `npm start` and `npm test` need before anything can run. Each does nothing when nothing has changed. */
import { join } from 'node:path';
import { build } from './build.mjs';
import { installKernelspec, installLabExtension, installQuietSettings } from './jupyter-files.mjs';
import { whileLocked } from './lock.mjs';
import { fetchModel } from './model-file.mjs';
import { node24 } from './node24.mjs';
import { installPackages } from './packages.mjs';
import { installPython, venvProgram } from './python.mjs';

export const setUpSteps = 5;

/**
 * Installs, builds, and registers. `requirements` are the Python requirement files, `model` the user's own model file.
 * `onBuildFailure` is told of a build that fails instead of stopping there. Returns `{ node, model }` as absolute paths.
 */
export function setUp(root, step, { requirements, model, onBuildFailure }) {
  const say = (line) => process.stdout.write(`      ${line}\n`);
  return whileLocked(join(root, '.set-up.lock'), say, async () => {
    await step('npm packages', (tell) => installPackages(root, tell));
    const node = node24(root);
    await step('Build of operators, kernel and lab extension', async () => {
      try {
        return await build(root);
      } catch (error) {
        if (!onBuildFailure) throw error;
        return onBuildFailure(error);
      }
    });
    await step('JupyterLab in .venv', (tell) => installPython(root, requirements, tell));
    let path = model;
    await step('Model', async () => {
      if (model) return model;
      const got = await fetchModel({ python: venvProgram(root, 'python') });
      path = got.path;
      return `${got.fetched ? 'fetched and checked' : 'checked'}: ${path}`;
    });
    await step('Kernel and panels in JupyterLab', () => {
      installKernelspec(root, node, model);
      installQuietSettings(root);
      installLabExtension(root);
      return 'registered in .venv';
    });
    return { node, model: path };
  });
}
