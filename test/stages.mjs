/** Which test files run together, in which order, and how. A folder of `test/` is an area; areas not named here are units. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/**
 * Stages in order. `needsBuild` stages use what the build made; the others run from the sources.
 * One file at a time where a file takes both cores by itself (inference, a browser). A file that runs for longer than
 * `minutes` is ended and has failed.
 */
export const stages = [
  { name: 'check', areas: ['check'], concurrency: 2, minutes: 2 },
  { name: 'units', areas: undefined, concurrency: 2, minutes: 5 },
  { name: 'kernel', areas: ['kernel'], concurrency: 1, minutes: 5, needsBuild: true },
  { name: 'notebooks', areas: ['notebooks'], concurrency: 1, minutes: 8, needsBuild: true },
  { name: 'browser', areas: ['browser'], concurrency: 1, minutes: 8, needsBuild: true },
];

/** Folders of `test/` that hold no unit tests. */
const named = new Set([...stages.flatMap((stage) => stage.areas ?? []), 'bench', 'output']);

function testFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) return testFiles(path);
      return /\.test\.(ts|mjs)$/.test(name) ? [path] : [];
    });
}

/** Unit test files that `npm run check` leaves out, each because it takes seconds: real weights or many compiled shaders. */
export function isSlow(file) {
  return /\.slow\.test\.ts$/.test(file);
}

/** Stages with their files, narrowed to `wanted` (files, folders or areas, as typed) and, with `quick`, to what `check` runs. */
export function plan(root, { wanted = [], quick = false } = {}) {
  const all = testFiles(join(root, 'test'));
  const area = (file) => relative(join(root, 'test'), file).split(sep)[0];
  const matches = (file) => {
    const path = relative(root, file).split(sep).join('/');
    const isWanted = (want) => {
      const clean = want.replace(/^\.\//, '').replace(/\/$/, '');
      return (
        path === clean || path.startsWith(`${clean}/`) || path.startsWith(`test/${clean}/`) || path === `test/${clean}`
      );
    };
    return wanted.length === 0 || wanted.some(isWanted);
  };
  return stages
    .filter((stage) => !quick || !stage.needsBuild)
    .map((stage) => {
      const belongs = (file) => (stage.areas ? stage.areas.includes(area(file)) : !named.has(area(file)));
      return { ...stage, files: all.filter((file) => belongs(file) && matches(file) && !(quick && isSlow(file))) };
    })
    .filter((stage) => stage.files.length > 0);
}
