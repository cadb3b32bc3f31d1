/** Everything that the lab does, as commands of JupyterLab: for the palette, the menu and keyboard shortcuts. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import { type Depth, depths } from 'kvlab/frame';
import { isDepth } from '../depth.ts';
import { goLive, pinStep, shownRun, shownStep } from '../store/store.ts';
import { translate } from '../translate.ts';
import { labIcon } from './icon.ts';
import { panelKinds } from './lab.ts';
import type { Labs, OpenArguments } from './labs.ts';

export const commandIds = {
  open: 'kvlab:open',
  new: 'kvlab:new',
  enlarge: 'kvlab:enlarge',
  export: 'kvlab:export',
  live: 'kvlab:live',
  pin: 'kvlab:pin',
  depth: 'kvlab:depth',
} as const;

type Arguments = Readonly<Record<string, unknown>>;

const titleOf = (panel: unknown): string | undefined => {
  const title = panelKinds.find(({ id }) => id === panel)?.title;
  return title === undefined ? undefined : translate(title);
};

/** Arguments of a command, told to whoever lists commands. */
const described = (properties: Record<string, string>) => ({
  args: {
    type: 'object' as const,
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, description]) => [name, { type: 'string' as const, description }]),
    ),
  },
});

export function addCommands({ commands }: JupyterFrontEnd, labs: Labs, notebooks: INotebookTracker): void {
  const hasNotebook = () => notebooks.currentWidget !== null;
  const hasLab = () => labs.front() !== undefined;
  const hasRun = () => {
    const store = labs.front()?.store;
    return store !== undefined && shownRun(store) !== undefined;
  };

  commands.addCommand(commandIds.open, {
    label: ({ panel }: Arguments) => {
      const title = titleOf(panel);
      return title === undefined ? translate('Open kvlab') : translate('Show %1', title);
    },
    caption: translate('Show the KV cache of this notebook’s runs beside it'),
    icon: ({ panel }: Arguments) => (panel === undefined ? labIcon : undefined),
    isEnabled: ({ path }: Arguments) => path !== undefined || hasNotebook(),
    describedBy: described({
      path: 'Path of the notebook; the one in front without it',
      panel: 'Panel to bring into view',
      enlarge: 'Panel that gets the whole lab; empty for none',
      depth: `How much is offered: ${depths.join(', ')}`,
    }),
    execute: (args) => labs.open(args as OpenArguments),
  });
  commands.addCommand(commandIds.new, {
    label: ({ isLauncher }: Arguments) =>
      isLauncher ? translate('kvlab with its panels') : translate('New Notebook with kvlab'),
    caption: translate('A new notebook in TypeScript with the KV cache of its runs beside it'),
    icon: labIcon,
    describedBy: described({ cwd: 'Folder of the notebook' }),
    async execute({ cwd }: Arguments) {
      const folder = typeof cwd === 'string' ? { cwd } : {};
      const made = await commands.execute('notebook:create-new', { ...folder, kernelName: 'kvlab' });
      const path = (made as { context?: { path?: unknown } } | undefined)?.context?.path;
      return typeof path === 'string' ? labs.open({ path }) : undefined;
    },
  });
  commands.addCommand(commandIds.enlarge, {
    label: ({ panel }: Arguments) => translate('Enlarge %1', titleOf(panel) ?? translate('Panel')),
    isEnabled: () => hasLab() || hasNotebook(),
    isToggleable: true,
    isToggled: ({ panel }: Arguments) => panel !== undefined && labs.front()?.lab.enlarged() === panel,
    describedBy: described({ panel: 'Panel that gets the whole lab, or gives it back' }),
    async execute({ panel }: Arguments) {
      const lab = labs.front()?.lab ?? (await labs.open({}))?.content.lab;
      if (typeof panel === 'string') lab?.enlarge(lab.enlarged() === panel ? undefined : panel);
    },
  });
  commands.addCommand(commandIds.export, {
    label: ({ panel }: Arguments) => {
      const title = titleOf(panel);
      return title === undefined ? translate('Export the Panel in Use…') : translate('Export %1…', title);
    },
    caption: translate('Save a panel as picture, numbers or cell'),
    isEnabled: hasRun,
    describedBy: described({ panel: 'Panel to export; the one used last without it' }),
    execute: ({ panel }: Arguments) => labs.front()?.lab.openExport(typeof panel === 'string' ? panel : undefined),
  });
  commands.addCommand(commandIds.live, {
    label: translate('Follow the Newest Step'),
    isEnabled: hasRun,
    isToggleable: true,
    isToggled: () => hasRun() && labs.front()!.store.clock.mode === 'live',
    describedBy: described({}),
    execute() {
      const front = labs.front();
      if (front) goLive(front.store);
    },
  });
  commands.addCommand(commandIds.pin, {
    label: translate('Pin This Step'),
    isEnabled: hasRun,
    isToggleable: true,
    isToggled: () => hasRun() && labs.front()!.store.clock.mode === 'pinned',
    describedBy: described({}),
    execute() {
      const store = labs.front()?.store;
      const run = store && shownRun(store);
      if (run) pinStep(store, shownStep(store, run));
    },
  });
  commands.addCommand(commandIds.depth, {
    label: ({ depth }: Arguments) => (isDepth(depth) ? depthLabel(depth) : translate('Depth')),
    caption: translate('How much this lab offers to press and choose'),
    isEnabled: hasLab,
    isToggleable: true,
    isToggled: ({ depth }: Arguments) => depth !== undefined && labs.front()?.lab.depth() === depth,
    describedBy: described({ depth: depths.join(', ') }),
    execute: ({ depth }: Arguments) => {
      if (isDepth(depth)) labs.front()?.lab.setDepth(depth);
    },
  });
}

const depthLabel = (depth: Depth): string =>
  ({
    student: translate('For Students: What Is Shown'),
    teacher: translate('For Teachers: Switches and Exports'),
    researcher: translate('For Researchers: Everything'),
  })[depth];

export function fillPalette(palette: ICommandPalette): void {
  const category = translate('kvlab');
  const add = (command: string, args: Record<string, string> = {}) => palette.addItem({ command, category, args });
  const { open, enlarge, live, pin, depth } = commandIds;
  for (const command of [open, commandIds.new, live, pin]) add(command);
  for (const { id } of panelKinds) add(open, { panel: id });
  for (const { id } of panelKinds) add(enlarge, { panel: id });
  for (const { id } of panelKinds) add(commandIds.export, { panel: id });
  for (const choice of depths) add(depth, { depth: choice });
}
