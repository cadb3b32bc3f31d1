/** The plugin: a command, a button in the notebook's toolbar, a tab to the right of the notebook, restored on reload. */
import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { DockLayout, type Widget } from '@lumino/widgets';
import { showTarget } from 'kvlab/frame';
import { labIcon } from './lab/icon.ts';
import { LabWidget } from './lab/widget.ts';

const openCommand = 'kvlab:open';

const plugin: JupyterFrontEndPlugin<void> = {
  id: '@kvlab/lab-extension:plugin',
  description: 'Panels that show the KV cache of a language model while it writes.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ILayoutRestorer, ILabShell],
  activate(
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    shell: ILabShell | null,
  ) {
    const tracker = new WidgetTracker<MainAreaWidget<LabWidget>>({ namespace: 'kvlab' });
    const labs = new Map<string, MainAreaWidget<LabWidget>>();
    const awaited = new Set<string>();

    /** Opens a file of the repository, where JupyterLab shows the repository. */
    const openFile = (path: string) => {
      app.commands.execute('docmanager:open', { path, factory: 'Editor' }).catch((error: unknown) => {
        console.warn(`kvlab: ${path} is not in the folder that JupyterLab shows`, error);
      });
    };

    const open = async (args: { path?: string; panel?: string; enlarge?: string }) => {
      const notebook = notebookAt(args.path);
      if (!notebook) return undefined;
      const { path } = notebook.context;
      const known = labs.get(path);
      const widget = known ?? labOf(notebook, openFile);
      if (!known) {
        labs.set(path, widget);
        widget.disposed.connect(() => labs.delete(path));
        await tracker.add(widget);
      }
      if (!widget.isAttached) {
        if (shell) {
          shell.add(widget, 'main', { ref: notebook.id, mode: 'split-right', activate: false });
          giveRoom(widget, notebook);
        } else app.shell.add(widget, 'right'); // Notebook 7 shows one document in its main area
      }
      app.shell.activateById(widget.id);
      widget.content.showPanel(args.panel);
      if (args.enlarge !== undefined) widget.content.enlarge(args.enlarge || undefined);
      return widget;
    };

    /** The notebook with a path; without a path the one in front. One that is not open yet gets its lab when it opens. */
    const notebookAt = (path: string | undefined): NotebookPanel | undefined => {
      if (path === undefined) return notebooks.currentWidget ?? undefined;
      const found = notebooks.find((notebook) => notebook.context.path === path);
      if (!found) awaited.add(path);
      return found;
    };
    notebooks.widgetAdded.connect((_, notebook) => {
      const { path } = notebook.context;
      if (awaited.delete(path)) void open({ path });
    });

    app.commands.addCommand(openCommand, {
      label: 'Open kvlab',
      caption: 'Show the KV cache of this notebook’s runs beside it',
      icon: labIcon,
      isEnabled: () => notebooks.currentWidget !== null,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            path: { type: 'string', description: 'Path of the notebook; the one in front without it' },
            panel: { type: 'string', description: 'Panel to bring into view' },
            enlarge: { type: 'string', description: 'Panel that gets the whole lab; empty for none' },
          },
        },
      },
      execute: (args) => open(args as { path?: string; panel?: string; enlarge?: string }),
    });
    palette?.addItem({ command: openCommand, category: 'kvlab' });
    if (restorer)
      void restorer.restore(tracker, {
        command: openCommand,
        args: (widget) => ({ path: pathOf(widget) }),
        name: (widget) => pathOf(widget),
        when: notebooks.restored,
      });
    openWhenAsked(notebooks, (path, panel) => void open({ path, ...(panel === undefined ? {} : { panel }) }));
  },
};

const pathOf = (widget: MainAreaWidget<LabWidget>): string => widget.node.dataset.notebook ?? '';

function labOf(notebook: NotebookPanel, openFile: (path: string) => void): MainAreaWidget<LabWidget> {
  const widget = new MainAreaWidget({ content: new LabWidget(notebook, openFile) });
  const { path } = notebook.context;
  widget.id = `kvlab-${path}`;
  widget.node.dataset.notebook = path;
  widget.title.label = `kvlab: ${path.replace(/^.*\//, '').replace(/\.ipynb$/, '')}`;
  widget.title.icon = labIcon;
  widget.title.closable = true;
  widget.toolbar.hide();
  return widget;
}

/** Moves the border between notebook and lab, so that the lab gets about two thirds of both. */
function giveRoom(widget: Widget, notebook: Widget): void {
  requestAnimationFrame(() => {
    const layout = widget.parent?.layout;
    if (!(layout instanceof DockLayout)) return;
    const [left, right] = [notebook.node.getBoundingClientRect(), widget.node.getBoundingClientRect()];
    const border = [...layout.handles()].find((handle) => {
      const { left: x, width } = handle.getBoundingClientRect();
      return Math.abs(x + width / 2 - (left.right + right.left) / 2) < 12;
    });
    if (!border || right.left < left.right) return;
    const wanted = Math.max(420, (left.width + right.width) * 0.34);
    const dock = widget.parent!.node.getBoundingClientRect();
    if (wanted < left.width) layout.moveHandle(border, left.left - dock.left + wanted, 0);
  });
}

/** `lab.show()` in a cell opens the lab even when no page of it exists yet. */
function openWhenAsked(notebooks: INotebookTracker, open: (path: string, panel: string | undefined) => void): void {
  notebooks.widgetAdded.connect((_, notebook) => {
    const listen = (kernel: Kernel.IKernelConnection | null | undefined) =>
      kernel?.registerCommTarget(showTarget, (comm, message) => {
        const { panel } = message.content.data as { panel?: unknown };
        open(notebook.context.path, typeof panel === 'string' ? panel : undefined);
        comm.close();
      });
    listen(notebook.sessionContext.session?.kernel);
    notebook.sessionContext.kernelChanged.connect((_context, { newValue }) => listen(newValue));
  });
}

export default plugin;
