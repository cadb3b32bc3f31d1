/** The table of all operators: example, and graph against reference on random shapes, on one device. */
import { after, before, test } from 'node:test';
import { operators } from '@kvlab/ops';
import { checkOperator } from '../../kernel/src/engine/operate/check.ts';
import { createOperate, type Operate } from '../../kernel/src/engine/operate/operate.ts';
import type { Device } from '../../kernel/src/engine/runtime/platform.ts';
import { openRuntime, type Runtime } from '../../kernel/src/engine/runtime/runtime.ts';
import { useSoftwareGraphics } from '../model/swiftshader.ts';

/** One test for each operator of the list. A device that is absent fails them all. */
export function testEveryOperator(device: Device, cases: number): void {
  let runtime: Runtime;
  let operate: Operate;
  before(async () => {
    useSoftwareGraphics();
    runtime = await openRuntime(device, { threads: 1 });
    operate = createOperate(runtime);
  });
  after(() => runtime?.release());
  for (const [name, operator] of Object.entries(operators))
    test(`${name}: the example holds and ${cases} random shapes agree with the reference on ${device}`, async () => {
      await checkOperator(operate, operator, { cases });
    });
}
