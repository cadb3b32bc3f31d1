import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { graphBuilder } from '@kvlab/ops';
import { openRuntime, type Runtime } from '../../kernel/src/engine/runtime/runtime.ts';
import type { Session } from '../../kernel/src/engine/runtime/session.ts';
import type { Tensor } from '../../kernel/src/engine/runtime/tensor.ts';
import { useSoftwareGraphics } from './swiftshader.ts';

useSoftwareGraphics();

/** y = x W with an external W, double = 2 x, whole = x as i32, for x [Q, 3]. */
function example(): { bytes: Uint8Array; weights: { path: string; data: Uint8Array }[] } {
  const g = graphBuilder('example');
  const x = g.input('x', 'f32', ['Q', 3]);
  g.output('y', g.matMul(x, g.external('w', 'f32', [3, 2], 'w.bin')));
  g.output('double', g.mul(x, 2));
  g.output('whole', g.cast(x, 'i32'));
  const w = Float32Array.of(1, 0, 0, 1, 1, 1);
  return { bytes: g.encode(), weights: [{ path: 'w.bin', data: new Uint8Array(w.buffer) }] };
}
const rows = (...values: number[]): Tensor => ({
  type: 'float32',
  dims: [values.length / 3, 3],
  data: Float32Array.from(values),
});

for (const device of ['wasm', 'webgpu'] as const)
  describe(`a session on ${device}`, () => {
    let runtime: Runtime;
    let session: Session;
    before(async () => {
      runtime = await openRuntime(device);
      const { bytes, weights } = example();
      session = await runtime.create(bytes, weights);
    });
    after(() => runtime.release());

    test('says what it is', () => {
      assert.equal(runtime.device, device);
      assert.match(runtime.why, device === 'wasm' ? /^wasm was asked for$/ : /^webgpu was asked for; .+ adapter/);
      assert.ok(runtime.threads >= 1);
      assert.deepEqual([session.inputs, session.outputs], [['x'], ['y', 'double', 'whole']]);
    });

    test('gives the outputs that are asked for, and no other', async () => {
      const out = await session.run({ x: rows(1, 2, 3, 4, 5, 6) }, ['y', 'whole']);
      assert.deepEqual(Object.keys(out), ['y', 'whole']);
      assert.deepEqual(out.y, { type: 'float32', dims: [2, 2], data: Float32Array.of(4, 5, 10, 11) });
      assert.deepEqual(out.whole, { type: 'int32', dims: [2, 3], data: Int32Array.of(1, 2, 3, 4, 5, 6) });
    });

    test('takes no rows at all', async () => {
      const { double } = await session.run({ x: rows() }, ['double']);
      assert.deepEqual([double!.dims, double!.data.length], [[0, 3], 0]);
    });

    test('keeps results apart when many runs and creations are asked for at once', async () => {
      const { bytes, weights } = example();
      const another = runtime.create(bytes, weights);
      const results = await Promise.all(
        Array.from({ length: 12 }, async (_, i) => {
          const { double } = await (i % 3 ? session : await another).run({ x: rows(i, i + 1, i + 2) }, ['double']);
          return [...double!.data].map(Number);
        }),
      );
      assert.deepEqual(
        results,
        results.map((_, i) => [2 * i, 2 * i + 2, 2 * i + 4]),
      );
      await (await another).release();
    });

    test('names a wrong input, a wrong output and a wrong count of elements, and goes on', async () => {
      const x = rows(1, 2, 3);
      await assert.rejects(session.run({ z: x }, ['y']), /there is no input z; the graph has x/);
      await assert.rejects(session.run({}, ['y']), /input x is missing; got none/);
      await assert.rejects(session.run({ x }, ['q']), /there is no output q; the graph has y, double, whole/);
      await assert.rejects(
        session.run({ x: { ...x, dims: [2, 3] } }, ['y']),
        /input x \[2,3\] needs 6 elements, got 3/,
      );
      assert.deepEqual((await session.run({ x }, ['y'])).y!.data, Float32Array.of(4, 5));
    });

    test('refuses a graph that is none, and a run after its release, in words of one line', async () => {
      await assert.rejects(runtime.create(Uint8Array.of(1, 2, 3)), /^Error: session: could not create: .*protobuf/);
      const { bytes, weights } = example();
      const short = await runtime.create(bytes, weights);
      await short.release();
      await assert.rejects(short.run({ x: rows(1, 2, 3) }, ['y']), /it was released before this run; create a new one/);
    });
  });

test('a device opens again after it was released, beside the other', async () => {
  for (let i = 0; i < 2; i++) {
    const runtimes = await Promise.all([openRuntime('webgpu'), openRuntime('wasm')]);
    const { bytes, weights } = example();
    for (const runtime of runtimes) {
      const { y } = await (await runtime.create(bytes, weights)).run({ x: rows(1, 2, 3) }, ['y']);
      assert.deepEqual(y!.data, Float32Array.of(4, 5));
      await runtime.release();
    }
  }
});

test('auto does not take a software adapter, and says so', async () => {
  const runtime = await openRuntime('auto');
  if (runtime.device === 'wasm') assert.match(runtime.why, /^wasm, because .* software$/);
  else assert.match(runtime.why, / is a graphics adapter$/);
  await runtime.release();
});

test('an unheard device is refused with those there are', async () => {
  await assert.rejects(openRuntime('cuda' as never), /there is no device "cuda"; use 'auto', 'wasm' or 'webgpu'/);
});

test('webgpu asked for without an adapter is an error that says what to do, and a process ends by itself', () => {
  const module = new URL('../../kernel/src/engine/runtime/runtime.ts', import.meta.url).href;
  const script = `
    const { openRuntime } = await import(${JSON.stringify(module)});
    await openRuntime('webgpu').catch((error) => console.log(error.message));
    const runtime = await openRuntime('auto');
    console.log(runtime.device, runtime.why);`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: {
      ...process.env,
      VK_ICD_FILENAMES: fileURLToPath(import.meta.url),
      VK_DRIVER_FILES: fileURLToPath(import.meta.url),
    },
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0);
  const [refusal, auto] = stdout.trim().split('\n');
  assert.match(refusal!, /^runtime: webgpu was asked for and no graphics adapter was found .*; use 'auto' or 'wasm'/);
  assert.match(auto!, /^wasm wasm, because no graphics adapter was found/);
});
