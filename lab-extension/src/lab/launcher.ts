/** The card in the launcher: a new notebook with the kernel kvlab, and the lab beside it. */
import type { ILauncher } from '@jupyterlab/launcher';
import type { KernelSpec } from '@jupyterlab/services';
import { translate } from '../translate.ts';
import { commandIds } from './commands.ts';

/** Adds the card once the kernels are known; there is none where the kernel kvlab is not installed. */
export async function addCard(launcher: ILauncher, kernels: KernelSpec.IManager): Promise<void> {
  await kernels.ready;
  const spec = kernels.specs?.kernelspecs.kvlab;
  if (!spec) return;
  const picture = spec.resources['logo-svg'] ?? spec.resources['logo-64x64'];
  launcher.add({
    command: commandIds.new,
    category: translate('Notebook'),
    rank: 1,
    args: { isLauncher: true },
    ...(picture === undefined ? {} : { kernelIconUrl: picture }),
  });
}
