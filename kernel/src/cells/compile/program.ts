/** The TypeScript language service over the cells of one notebook. */
import { statSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { cellPattern } from './cell-text.ts';

export interface CellProgram {
  service: ts.LanguageService;
  /** File of the cell that is written or compiled now. */
  draftFile(jsx: boolean): string;
  /** Replaces the text of the draft. */
  setDraft(text: string, jsx: boolean): void;
  /** Keeps a cell under its serial, so that later cells can import from it. */
  keep(serial: number, text: string, jsx: boolean): string;
  /** Transformers for the next emit. */
  setTransformers(transformers: ts.CustomTransformers): void;
  /** Newest change in ms among local files (outside packages) that a kept cell or the draft reaches. */
  newestChange(file: string): number;
}

/** Names that every cell has without importing them. */
const globalNames = ['display', 'clearOutput', 'input', 'progress', 'comms', 'cell'] as const;

const here = dirname(fileURLToPath(import.meta.url));
/** A file of ours: what a folder does not have is looked up from here. */
const ownFile = join(here, 'program.js');

const libFolder = dirname(ts.getDefaultLibFilePath({}));

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  // Emit is CommonJS with `require` replaced by modules that were imported before; resolution is that of `import`.
  module: ts.ModuleKind.CommonJS,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  // The web platform without a page: there is no document here, and its types would take a third of the reading time.
  lib: ['lib.esnext.d.ts', 'lib.webworker.d.ts', 'lib.webworker.iterable.d.ts', 'lib.webworker.asynciterable.d.ts'],
  types: [],
  strict: true,
  // A notebook is written quickly: parameters without types and values that may be missing are allowed.
  noImplicitAny: false,
  noImplicitThis: false,
  strictNullChecks: false,
  useUnknownInCatchVariables: false,
  esModuleInterop: true,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  allowJs: true,
  maxNodeModuleJsDepth: 0,
  skipLibCheck: true,
  sourceMap: true,
  noEmitOnError: false,
  jsx: ts.JsxEmit.React,
  newLine: ts.NewLineKind.LineFeed,
};

/** The registry must know how comments are read; the public types leave that parameter out. */
const createRegistry = ts.createDocumentRegistry as (
  caseSensitive: boolean,
  folder: string,
  comments?: ts.JSDocParsingMode,
) => ts.DocumentRegistry;

function isLocal(file: string): boolean {
  return !file.includes(`${sep}node_modules${sep}`) && !file.startsWith(here);
}

function modified(file: string): number {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}

/** Opens the service for cells that behave as if they lay in `folder`. */
export function openProgram(folder: string): CellProgram {
  const texts = new Map<string, { text: string; version: number }>();
  const fileOf = (name: string | number, jsx: boolean) => join(folder, `kvlab-cell-${name}.${jsx ? 'tsx' : 'ts'}`);
  const globalsFile = join(folder, 'kvlab-globals.d.ts');
  const api = resolve(here, '../api.js');
  texts.set(globalsFile, {
    version: 1,
    text: `export {}; declare global {\n${globalNames
      .map((name) => `const ${name}: typeof import(${JSON.stringify(api)}).${name};`)
      .join('\n')}\n}`,
  });
  const typeFiles = ['node', '@webgpu/types'].flatMap((name) => {
    const { resolvedTypeReferenceDirective: found } = ts.resolveTypeReferenceDirective(name, ownFile, options, ts.sys);
    return found?.resolvedFileName ?? [];
  });
  let draft = fileOf('draft', false);
  texts.set(draft, { text: 'export {};', version: 1 });
  let transformers: ts.CustomTransformers = {};
  const resolutionCache = ts.createModuleResolutionCache(folder, (name) => name, options);

  const known = (file: string) => texts.get(file);
  const readFile = (file: string, encoding?: string) => known(file)?.text ?? ts.sys.readFile(file, encoding);
  const fileExists = (file: string) => texts.has(file) || ts.sys.fileExists(file);
  const files = { ...ts.sys, readFile, fileExists };

  const snapshots = new Map<string, { version: string; snapshot: ts.IScriptSnapshot }>();
  const versionOf = (file: string) => String(known(file)?.version ?? (isLocal(file) ? modified(file) : 1));

  function resolveName(written: string, from: string): ts.ResolvedModuleFull | undefined {
    const name = written.startsWith('file:') ? fileURLToPath(written) : written;
    const cell = name.startsWith('./') ? cellPattern.exec(name) : null;
    if (cell) {
      const file = [fileOf(cell[1]!, false), fileOf(cell[1]!, true)].find((one) => texts.has(one));
      if (file)
        return {
          resolvedFileName: file,
          extension: file.endsWith('x') ? '.tsx' : '.ts',
          isExternalLibraryImport: false,
        };
    }
    const ours = name === 'kvlab' || name.startsWith('kvlab/');
    const resolveFrom = (file: string) =>
      ts.resolveModuleName(name, file, options, files, resolutionCache, undefined, ts.ModuleKind.ESNext).resolvedModule;
    if (ours) return resolveFrom(ownFile);
    const found = resolveFrom(from);
    // Packages that come with kvlab (arquero, onnxruntime-web) are there in every folder.
    return found ?? (name.startsWith('.') || name.startsWith('/') ? undefined : resolveFrom(ownFile));
  }

  const host: ts.LanguageServiceHost = {
    getCompilationSettings: () => options,
    getScriptFileNames: () => [...typeFiles, globalsFile, draft],
    getScriptVersion: versionOf,
    // The service asks for every file before every answer, so what was read is kept.
    getScriptSnapshot(file) {
      const version = versionOf(file);
      const held = snapshots.get(file);
      if (held?.version === version) return held.snapshot;
      const text = known(file)?.text ?? ts.sys.readFile(file);
      if (text === undefined) return undefined;
      const snapshot = ts.ScriptSnapshot.fromString(text);
      snapshots.set(file, { version, snapshot });
      return snapshot;
    },
    // Comments are read when asked for, see documentation.ts.
    jsDocParsingMode: ts.JSDocParsingMode.ParseNone,
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: () => join(libFolder, 'lib.esnext.d.ts'),
    fileExists,
    readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath,
    useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    getCustomTransformers: () => transformers,
    // Every import of a cell is a true import when it runs, whatever the emit says.
    resolveModuleNameLiterals: (literals, from) =>
      literals.map(({ text }) => ({ resolvedModule: resolveName(text, from) })),
  };
  const registry = createRegistry(ts.sys.useCaseSensitiveFileNames, folder, host.jsDocParsingMode);
  const service = ts.createLanguageService(host, registry);

  return {
    service,
    draftFile: (jsx) => fileOf('draft', jsx),
    setDraft(text, jsx) {
      draft = fileOf('draft', jsx);
      // What was not there a moment ago may have been installed or written since.
      resolutionCache.clear();
      texts.set(draft, { text, version: (known(draft)?.version ?? 0) + 1 });
    },
    keep(serial, text, jsx) {
      const file = fileOf(serial, jsx);
      texts.set(file, { text, version: 1 });
      return file;
    },
    setTransformers(next) {
      transformers = next;
    },
    newestChange(file) {
      const program = service.getProgram();
      let newest = 0;
      const seen = new Set<string>();
      const visit = (name: string) => {
        const source = program?.getSourceFile(name);
        if (!source || seen.has(name)) return;
        seen.add(name);
        if (!texts.has(name)) newest = Math.max(newest, modified(name));
        for (const { fileName } of ts.preProcessFile(source.text).importedFiles) {
          const target = resolveName(fileName, name)?.resolvedFileName;
          if (target && isLocal(target) && !texts.has(target)) visit(target);
        }
      };
      visit(file);
      return newest;
    },
  };
}
