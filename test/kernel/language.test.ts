import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startKernel, type TestKernel } from './client.ts';

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
});
after(() => kernel.stop());

function write(name: string, text: string): void {
  const path = join(kernel.folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
}

/** Runs cells one after the other and gives the text of the last result. */
async function run(...cells: string[]): Promise<string | undefined> {
  let text: string | undefined;
  for (const cell of cells) {
    const ran = await kernel.execute(cell);
    assert.equal(ran.reply.status, 'ok', (ran.reply.traceback as string[] | undefined)?.join('\n'));
    text = ran.text;
  }
  return text;
}

const traceback = async (code: string) => ((await kernel.execute(code)).reply.traceback as string[]).join('\n');

test('Node and the web platform have types in any folder', async () => {
  const code = `console.log(process.pid, Buffer.from('a'), new URL('http://x/'), structuredClone({ a: 1 }));
    const response: Response | undefined = undefined; const view: GPUDevice | undefined = undefined;
    setTimeout(() => {}, 0).unref(); typeof fetch`;
  assert.equal(await run(code), `'function'`);
});

test('a constant is declared again with another type, and functions of earlier cells follow', async () => {
  assert.equal(await run('const a = { b: 1 };', 'const twice = () => a.b * 2;', 'const a = "text"; a.length'), '4');
  assert.equal(
    await run(
      'function step() { return 1; }',
      'const walk = () => step() + step();',
      'function step() { return 5; }',
      'walk()',
    ),
    '10',
  );
});

test('variables of earlier cells are read and written, also from functions', async () => {
  assert.equal(
    await run(
      'let count = 0; function increment() { count++; return count; }',
      'count = 10; increment(); count += 1; [count, increment()]',
    ),
    '[ 12, 13 ]',
  );
  assert.equal(
    await run('let left = 1, right = 2;', '[left, right] = [right, left]; ({ left, right })'),
    '{ left: 2, right: 1 }',
  );
});

test('assigning to a constant of an earlier cell is an error', async () => {
  await run('const fixed = 1;');
  assert.match(await traceback('fixed = 2'), /Cannot assign to 'fixed' because it is a constant of another cell/);
});

test('types, interfaces, classes, generics and enums reach later cells', async () => {
  const cells = [
    'interface Point { x: number } type Named<T> = T & { name: string }; enum Side { Left = 1, Right }',
    'class Holder<T> { #value: T; constructor(value: T) { this.#value = value; } get value() { return this.#value; } }',
    'const held = new Holder<Named<Point>>({ x: 3, name: "p" }); [held.value.x, Side.Right, held instanceof Holder]',
  ];
  assert.equal(await run(...cells), '[ 3, 2, true ]');
  assert.match(await traceback('held.value.y'), /Property 'y' does not exist/);
});

test('a name whose cell failed before it is unknown, and an old value stays', async () => {
  await run('let kept = "old";');
  await kernel.execute('throw new Error("early"); const unreached = 1;');
  assert.match(await traceback('unreached'), /Cannot find name 'unreached'/);
  await kernel.execute('throw new Error("early"); let kept = "new";');
  assert.equal(await run('kept'), `'old'`);
});

test('await works at the top level, in loops and destructuring', async () => {
  assert.equal(
    await run('const { x, y = 2 } = await Promise.resolve({ x: 1 } as { x: number; y?: number }); x + y'),
    '3',
  );
  assert.equal(await run('let sum = 0; for await (const n of [Promise.resolve(1), 2]) sum += n; sum'), '3');
});

test('modules of Node, packages with exports maps and dynamic imports load with their types', async () => {
  assert.equal(await run('import { basename } from "node:path"; basename("/a/b.ts")', 'basename("/c/d")'), `'d'`);
  assert.equal(await run('const os = await import("node:os"); typeof os.cpus()[0].model'), `'string'`);
  assert.equal(
    await run('import * as ort from "onnxruntime-web/webgpu"; typeof ort.InferenceSession.create'),
    `'function'`,
  );
  assert.equal(
    await run('import * as aq from "arquero"; aq.table({ a: [1, 2, 3] }).filter((d: any) => d.a > 1).numRows()'),
    '2',
  );
  assert.match(await traceback('aq.tabel({})'), /Did you mean 'table'/);
});

test('kvlab resolves to our own package in a folder without packages, with types that are not any', async () => {
  assert.equal(
    await run('import { frameVersion, columnCatalogue } from "kvlab/frame"; const version: 1 = frameVersion; version'),
    '1',
  );
  assert.match(await traceback('const wrong: "x" = frameVersion;'), /Type '1' is not assignable to type '"x"'/);
});

test('packages of the notebook folder load: import-only, CommonJS, and with top-level await', async () => {
  write(
    'node_modules/esm-only/package.json',
    '{"name":"esm-only","type":"module","exports":{"import":{"types":"./i.d.ts","default":"./i.js"}}}',
  );
  write(
    'node_modules/esm-only/i.js',
    'export const late = await Promise.resolve(5); export default class Thing { n = late }',
  );
  write('node_modules/esm-only/i.d.ts', 'export const late: number; export default class Thing { n: number }');
  write('node_modules/old-style/package.json', '{"name":"old-style","main":"m.js"}');
  write(
    'node_modules/old-style/m.js',
    'module.exports = function greet(name) { return "hi " + name }; module.exports.extra = 7',
  );
  write('node_modules/transpiled/package.json', '{"name":"transpiled","main":"m.js"}');
  write(
    'node_modules/transpiled/m.js',
    'Object.defineProperty(exports, "__esModule", { value: true }); exports.default = (n) => n + 1;',
  );
  assert.equal(await run('import Thing, { late } from "esm-only"; [new Thing().n, late]'), '[ 5, 5 ]');
  assert.equal(await run('import greet from "old-style"; greet("you")'), `'hi you'`);
  assert.equal(await run('import increment from "transpiled"; increment(1)'), '2');
  assert.equal(await run('require("old-style").extra'), '7');
});

test('local TypeScript files load without an extension, with types, and are read again when they change', async () => {
  write('lib/inner.ts', 'export enum Level { Low = 1 }\nexport const factor = 2;');
  write(
    'lib/own.ts',
    'import { factor, Level } from "./inner";\nexport const double = (n: number) => n * factor * Level.Low;',
  );
  assert.equal(await run('import { double } from "./lib/own"; double(21)'), '42');
  assert.match(await traceback('double("x")'), /Argument of type 'string'/);
  write('lib/inner.ts', 'export enum Level { Low = 1 }\nexport const factor = 10;');
  assert.equal(await run('import { double } from "./lib/own"; double(21)'), '210');
  write('data.json', '{"name":"from a file","n":[1,2]}');
  assert.equal(await run('import data from "./data.json"; data.name + data.n.length'), `'from a file2'`);
});

test('a missing package names the npm line and the folder', async () => {
  assert.match(
    await traceback('import x from "@some/missing/part";'),
    new RegExp(`cd "${kernel.folder}" && npm install @some/missing`),
  );
  assert.match(
    await traceback('const name = "not-there"; await import(name)'),
    new RegExp(`no package not-there; install it: cd "${kernel.folder}" && npm install not-there`),
  );
  assert.match(await traceback('const path = "./not-there"; await import(path)'), /no module \.\/not-there in/);
});

test('type errors show the cell, the line and a caret, and nothing runs', async () => {
  const { reply, stdout } = await kernel.execute('console.log("not printed");\nconst n: number = "text";');
  assert.equal(stdout, '');
  assert.equal(reply.ename, 'TypeScriptError');
  const label = `In [${reply.execution_count}]`;
  assert.deepEqual(reply.traceback, [
    `${label}:2:7 error TS2322: Type 'string' is not assignable to type 'number'.`,
    '  2 | const n: number = "text";',
    '    |       ^',
  ]);
});

test('an error points into the cells that it passed through, without frames of the kernel', async () => {
  const { reply: made } = await kernel.execute(
    'interface Unused {}\nfunction fail(n: number): never {\n  const extra = n;\n  throw new RangeError("no " + extra);\n}',
  );
  const { reply } = await kernel.execute('// comment\nawait null;\n  fail(5);');
  const text = (reply.traceback as string[]).join('\n');
  assert.equal(reply.ename, 'RangeError');
  assert.equal(reply.evalue, 'no 5');
  assert.match(
    text,
    new RegExp(
      `^RangeError: no 5\\n    at fail \\(In \\[${made.execution_count}\\]:4:9\\)\\n    at In \\[${reply.execution_count}\\]:3:[37]`,
    ),
  );
  assert.match(text, /> {3}4 \| {3}throw new RangeError/);
  assert.doesNotMatch(text, /node:internal|dist\/cells/);
});

test('an error keeps its cause, and anything can be thrown', async () => {
  assert.match(
    await traceback('throw new Error("outer", { cause: new TypeError("inner") })'),
    /Caused by: TypeError: inner/,
  );
  const { reply } = await kernel.execute('throw { code: 5 }');
  assert.deepEqual([reply.ename, reply.evalue], ['Thrown', '{ code: 5 }']);
  assert.equal((await kernel.execute('throw null')).reply.status, 'error');
  assert.equal((await kernel.execute('throw Object.create(null)')).reply.status, 'error');
});

test('decorators and using work', async () => {
  const code = `function logged(method: any, context: ClassMethodDecoratorContext): any { return function (this: any) { return [context.name, method.call(this)]; }; }
    class Decorated { @logged run() { return 1; } }
    const log: string[] = [];
    { using resource = { [Symbol.dispose]() { log.push('closed'); } }; log.push('open'); }
    await using later = { async [Symbol.asyncDispose]() { log.push('async'); } };
    JSON.stringify([new Decorated().run(), log])`;
  assert.equal(await run(code), `'[["run",1],["open","closed"]]'`);
  assert.equal(await run('log.join()'), `'open,closed,async'`);
});

test('a generic arrow function is no JSX; a cell that asks for JSX gets it', async () => {
  assert.equal(await run('const same = <T>(value: T) => value; same(5)'), '5');
  const code =
    '/** @jsx */\nconst React = { createElement: (tag: string, props: unknown, ...children: unknown[]) => [tag, ...children] };\ndeclare global { namespace JSX { interface IntrinsicElements { b: object } } }\n<b>bold</b>';
  assert.equal(await run(code), `[ 'b', 'bold' ]`);
});

test('export, default export, import.meta and __dirname are allowed in a cell', async () => {
  assert.equal(await run('export const shared = 3;', 'shared'), '3');
  assert.equal(await run('import.meta.dirname === __dirname && process.cwd() === __dirname'), 'true');
});

test('a cell that only declares gives no result, and comments or nothing are fine', async () => {
  for (const code of ['const quiet = 1;', '// only a comment', '', '   \n', 'undefined', 'void 0'])
    assert.equal(await run(code), undefined);
  assert.equal(await run('"use strict"'), `'use strict'`);
  assert.equal(await run('null'), 'null');
});

test('what JavaScript runs strictly is strict, and this at the top is harmless', async () => {
  assert.equal(await run('(function () { return this === undefined; })()'), 'true');
});
