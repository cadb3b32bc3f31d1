/** The arrows of the architecture: what the files of each folder may import. `docs/decisions/005-import-arrows.md` says why. */
import { posix } from 'node:path';
import { imports, type Source } from './sources.ts';

interface Arrow {
  /** The files that the rule is for: a folder that ends with a slash, or one file. */
  from: string;
  /** Folders (with a slash), files and packages that they may import. `/*` covers subpaths, `/*.ts` the files of one folder. */
  to: readonly string[];
  /** Single files that may import more, each with its reason. */
  exceptions?: Record<string, { to: readonly string[]; why: string }>;
}

const engineLibraries = [
  'arquero',
  '@uwdata/flechette',
  '@huggingface/jinja',
  '@huggingface/tokenizers',
  'onnxruntime-web',
];

/** The first rule whose `from` fits a file is the one that holds for it. Files that no rule fits are free. */
export const arrows: readonly Arrow[] = [
  { from: 'ops/', to: ['ops/'] },
  {
    from: 'kernel/src/engine/',
    to: ['kernel/src/engine/', '@kvlab/ops', ...engineLibraries, 'onnxruntime-web/*'],
    exceptions: {
      'kernel/src/engine/model/file.ts': {
        to: ['node:*'],
        why: 'reads a model from the disk behind the interface by which a browser would read it from elsewhere',
      },
      'kernel/src/engine/runtime/node.ts': {
        to: ['node:*', 'webgpu'],
        why: 'opens ONNX Runtime and WebGPU in Node; a browser worker has its own file for it',
      },
    },
  },
  { from: 'kernel/src/host.ts', to: ['kernel/src/engine/record/frame.ts'] },
  {
    from: 'kernel/src/cells/',
    to: ['kernel/src/cells/', 'kernel/src/host.ts', 'kernel/src/engine/record/', 'kvlab', 'typescript', 'node:*'],
  },
  {
    from: 'kernel/src/protocol/',
    to: [
      'kernel/src/protocol/',
      'kernel/src/cells/',
      'kernel/src/host.ts',
      'kernel/src/engine/record/',
      'zeromq',
      'node:*',
    ],
  },
  {
    from: 'kernel/src/',
    to: ['kernel/src/*.ts', 'kernel/src/engine/', '@kvlab/ops', 'arquero', 'node:*'],
  },
  { from: 'kernel/start/', to: ['kernel/start/', 'node:*'] },
  {
    from: 'lab-extension/src/',
    to: [
      'lab-extension/src/',
      'kvlab/frame',
      '@jupyterlab/*',
      '@lumino/*',
      '@uwdata/flechette',
      'plotly.js-cartesian-dist-min',
    ],
  },
];

function covers(allowed: string, target: string): boolean {
  if (allowed.endsWith('/*.ts')) return posix.dirname(allowed) === posix.dirname(target);
  if (allowed.endsWith(':*')) return target.startsWith(allowed.slice(0, -1));
  if (allowed.endsWith('/*')) return target.startsWith(allowed.slice(0, -1));
  if (allowed.endsWith('/')) return target.startsWith(allowed);
  return target === allowed;
}

/** Every import that goes against an arrow, in words. */
export function arrowViolations(sources: readonly Source[], rules: readonly Arrow[] = arrows): string[] {
  return sources.flatMap((source) => {
    const rule = rules.find(({ from }) => covers(from, source.path));
    if (!rule) return [];
    const allowed = [...rule.to, ...(rule.exceptions?.[source.path]?.to ?? [])];
    return imports(source)
      .filter((target) => !allowed.some((one) => covers(one, target)))
      .map(
        (target) =>
          `${source.path}: must not import ${target}, allowed is ${allowed.join(', ')}. Move the code, or what it needs.`,
      );
  });
}

/** Packages that exactly one file may import, so that they can be replaced by changing that file. */
export function scatteredAdapters(
  sources: readonly Source[],
  packages = ['tslab', '@tslab/typescript-for-tslab'],
): string[] {
  const files = sources.filter(({ path }) => path.startsWith('kernel/'));
  const users = files.filter((source) =>
    imports(source).some((target) => packages.some((name) => target === name || target.startsWith(`${name}/`))),
  );
  if (users.length <= 1) return [];
  return [
    `${users.map(({ path }) => path).join(', ')}: only one file may import ${packages.join(' or ')}. Go through it.`,
  ];
}
