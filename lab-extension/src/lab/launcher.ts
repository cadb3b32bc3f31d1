/** The card in the launcher: a new notebook with the kernel kvlab, and the lab beside it. */
import type { ILauncher } from '@jupyterlab/launcher';
import { translate } from '../translate.ts';
import { commandIds } from './commands.ts';

export function addCard(launcher: ILauncher): void {
  launcher.add({ command: commandIds.new, category: translate('Notebook'), rank: 1, args: { isLauncher: true } });
}
