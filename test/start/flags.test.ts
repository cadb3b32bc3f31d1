import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFlags } from '../../kernel/start/flags.mjs';

test('without flags a browser opens on any free port with the default model', () => {
  assert.deepEqual(readFlags([]), { browser: true, port: undefined, model: undefined, help: false });
});

test('flags are read with a blank or an equals sign before their value', () => {
  const flags = { browser: false, port: 8899, model: import.meta.filename, help: false };
  assert.deepEqual(
    readFlags(['--no-browser', '--port', '8899', '--model', 'flags.test.ts'], import.meta.dirname),
    flags,
  );
  assert.deepEqual(readFlags(['--model=flags.test.ts', '--port=8899', '--no-browser'], import.meta.dirname), flags);
});

test('an unknown flag, a port that is none and a model that is not there are named, with what to do', () => {
  assert.throws(() => readFlags(['--prot', '1']), /^Fault: npm start: there is no such flag, got --prot\. Flags are:/);
  assert.throws(
    () => readFlags(['--port', '99999']),
    /a port is a number from 1 to 65535, got 99999\. Try --port 8899/,
  );
  assert.throws(() => readFlags(['--port']), /got nothing/);
  assert.throws(
    () => readFlags(['--model', 'none.gguf'], '/nowhere'),
    /no such file, got \/nowhere\/none\.gguf\. Check/,
  );
});
