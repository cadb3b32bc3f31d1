/** How a cell finds modules: from the notebook's folder, then among the packages that come with kvlab. */
import { createRequire, type ModuleHooks, registerHooks } from 'node:module';
import { dirname, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { tracedVersion } from './traceback.ts';

const own = import.meta.url;
const extensions = ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json', '/index.ts', '/index.js'];

function isRelative(name: string): boolean {
  return name.startsWith('.') || name.startsWith('/') || name.startsWith('file:');
}

/** Version tag of the importer when it is a cell or a local file that a cell brought in. */
function importerVersion(url: string | undefined): string | undefined {
  if (!url?.startsWith('file:')) return undefined;
  const version = tracedVersion(fileURLToPath(url));
  return version === undefined ? (new URL(url).searchParams.get('v') ?? undefined) : String(version);
}

function withHint(error: Error, name: string, parent: string | undefined): Error {
  const folder = parent?.startsWith('file:') ? dirname(fileURLToPath(parent)) : process.cwd();
  const known = name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
  error.message = isRelative(name)
    ? `import: there is no module ${name} in ${folder}`
    : `import: there is no package ${known}; install it: cd ${JSON.stringify(folder)} && npm install ${known}`;
  return error;
}

/** Lets imports of cells find what they mean. Files outside of packages carry a version, so that a changed file is read again. */
export function installImports(): ModuleHooks {
  return registerHooks({
    resolve(name, context, next) {
      // The context is shared with later hooks and keeps what they are asked to assume.
      const { parentURL } = context;
      const version = importerVersion(parentURL);
      if (version === undefined) return next(name, context);
      if (name === 'kvlab' || name.startsWith('kvlab/')) return next(name, { ...context, parentURL: own });
      const attempts = isRelative(name)
        ? ['', ...extensions].map((extension) => () => next(name + extension, { ...context, parentURL }))
        : [() => next(name, { ...context, parentURL }), () => next(name, { ...context, parentURL: own })];
      let first: unknown;
      for (const attempt of attempts)
        try {
          const found = attempt();
          const local = found.url.startsWith('file:') && !fileURLToPath(found.url).includes(`${sep}node_modules${sep}`);
          const ours = isRelative(name) && local;
          return ours ? { ...found, url: `${found.url.split('?')[0]}?v=${version}` } : found;
        } catch (error) {
          first ??= error;
          const { code } = error as NodeJS.ErrnoException;
          if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'ERR_UNSUPPORTED_DIR_IMPORT') throw error;
        }
      throw withHint(first as Error, name, parentURL);
    },
  });
}

/** `require` as a cell sees it. CommonJS files outside of packages are read again when `version` is new. */
export function requireOf(file: string, version: number): NodeJS.Require {
  const require = createRequire(pathToFileURL(file));
  for (const [path, module] of Object.entries(require.cache))
    if (module && !path.includes(`${sep}node_modules${sep}`) && loadedAt.has(path) && loadedAt.get(path) !== version)
      delete require.cache[path];
  for (const path of Object.keys(require.cache)) if (!loadedAt.has(path)) loadedAt.set(path, version);
  return require;
}

const loadedAt = new Map<string, number>();

/** Gives `import x from` the default that the types promise: a CommonJS module that was an ES module has its own. */
export function defaultOf(namespace: { default?: unknown }): { default?: unknown } {
  const inner = namespace.default as { __esModule?: boolean; default?: unknown } | undefined;
  return inner && typeof inner === 'object' && inner.__esModule && 'default' in inner
    ? { default: inner.default }
    : namespace;
}
