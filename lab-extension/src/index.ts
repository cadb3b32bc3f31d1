/** The plugin: labs beside notebooks, and everything of JupyterLab that leads to them. Each token but the first may be missing. */
import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator } from '@jupyterlab/translation';
import { addCommands, commandIds, fillPalette } from './lab/commands.ts';
import { createLabs, pathOf } from './lab/labs.ts';
import { addCard } from './lab/launcher.ts';
import { followSettings } from './lab/settings.ts';
import { addStatusItem } from './lab/status-item.ts';
import { translateWith, translationDomain } from './translate.ts';

const id = '@kvlab/lab-extension:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id,
  description: 'Panels that show the KV cache of a language model while it writes.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator, ISettingRegistry, ICommandPalette, ILauncher, ILayoutRestorer, ILabShell, IStatusBar],
  activate(
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    translator: ITranslator | null,
    settings: ISettingRegistry | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    shell: ILabShell | null,
    statusBar: IStatusBar | null,
  ) {
    translateWith(translator?.load(translationDomain));
    if (settings)
      followSettings(settings, id).catch((error: unknown) =>
        console.warn('kvlab: the settings could not be read; their defaults are used', error),
      );
    const labs = createLabs(app, notebooks, shell);
    addCommands(app, labs, notebooks);
    if (palette) fillPalette(palette);
    if (launcher) void addCard(launcher, app.serviceManager.kernelspecs);
    if (statusBar) addStatusItem(statusBar, labs, notebooks, shell);
    if (restorer)
      void restorer.restore(labs.tracker, {
        command: commandIds.open,
        args: (tab) => ({ path: pathOf(tab) }),
        name: (tab) => pathOf(tab),
        when: notebooks.restored,
      });
  },
};

export default plugin;
