/** The labs of a page, one for each notebook: opened beside it, found again after a reload, never mixed. */
import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { DockLayout, type Widget } from '@lumino/widgets';
import { type Depth, type ShowRequest, showTarget } from 'kvlab/frame';
import { isDepth } from '../depth.ts';
import { labIcon } from './icon.ts';
import { LabWidget } from './widget.ts';

export type LabTab = MainAreaWidget<LabWidget>;

export interface OpenArguments {
  /** Path of the notebook; the one in front without it. */
  path?: string;
  /** Panel to bring into view. */
  panel?: string;
  /** Panel that gets the whole lab; empty for none. */
  enlarge?: string;
  depth?: Depth;
}

export interface Labs {
  readonly tracker: WidgetTracker<LabTab>;
  /** Opens the lab of a notebook. A notebook that is not open yet gets its lab when it opens. */
  open(args: OpenArguments): Promise<LabTab | undefined>;
  /** The lab that commands act on: the one in front, or that of the notebook in front. */
  front(): LabWidget | undefined;
}

export function createLabs(app: JupyterFrontEnd, notebooks: INotebookTracker, shell: ILabShell | null): Labs {
  const tracker = new WidgetTracker<LabTab>({ namespace: 'kvlab' });
  const labs = new Map<NotebookPanel, LabTab>();
  const awaited = new Set<string>();

  const notebookAt = (path: string | undefined): NotebookPanel | undefined => {
    if (path === undefined) return notebooks.currentWidget ?? undefined;
    const found = notebooks.find((notebook) => notebook.context.path === path);
    if (!found) awaited.add(path);
    return found;
  };

  /** Opens a file of the repository, where JupyterLab shows the repository. */
  const openFile = (path: string) => {
    app.commands.execute('docmanager:open', { path, factory: 'Editor' }).catch((error: unknown) => {
      console.warn(`kvlab: ${path} is not in the folder that JupyterLab shows`, error);
    });
  };

  const open = async ({ path, panel, enlarge, depth }: OpenArguments) => {
    const notebook = notebookAt(path);
    if (!notebook) return undefined;
    const known = labs.get(notebook);
    const tab = known ?? tabOf(notebook, openFile);
    if (!known) {
      labs.set(notebook, tab);
      tab.disposed.connect(() => labs.delete(notebook));
      notebook.context.pathChanged.connect(() => {
        if (tab.isDisposed) return;
        nameTab(tab, notebook);
        void tracker.save(tab);
      });
      await tracker.add(tab);
    }
    if (!tab.isAttached) {
      if (shell) {
        shell.add(tab, 'main', { ref: notebook.id, mode: 'split-right', activate: false });
        giveRoom(tab, notebook);
      } else app.shell.add(tab, 'right'); // Notebook 7 shows one document in its main area
    }
    app.shell.activateById(tab.id);
    const { lab } = tab.content;
    if (depth) lab.setDepth(depth);
    lab.show(panel);
    if (enlarge !== undefined) lab.enlarge(enlarge || undefined);
    return tab;
  };

  notebooks.widgetAdded.connect((_, notebook) => {
    const { path } = notebook.context;
    if (awaited.delete(path)) void open({ path });
    openWhenAsked(notebook, (request) => void open({ path: notebook.context.path, ...request }));
  });

  return {
    tracker,
    open,
    front() {
      const inFront = app.shell.currentWidget;
      const own = tracker.find((tab) => tab === inFront);
      const beside = notebooks.currentWidget ? labs.get(notebooks.currentWidget) : undefined;
      return (own ?? beside ?? tracker.currentWidget ?? undefined)?.content;
    },
  };
}

/** Path of the notebook that a lab belongs to. */
export const pathOf = (tab: Widget): string => tab.node.dataset.notebook ?? '';

function tabOf(notebook: NotebookPanel, openFile: (path: string) => void): LabTab {
  const tab = new MainAreaWidget({ content: new LabWidget(notebook, openFile) });
  tab.id = `kvlab-${notebook.context.path}`;
  tab.title.icon = labIcon;
  tab.title.closable = true;
  tab.toolbar.hide();
  nameTab(tab, notebook);
  return tab;
}

function nameTab(tab: LabTab, { context: { path } }: NotebookPanel): void {
  tab.node.dataset.notebook = path;
  tab.title.label = `kvlab: ${path.replace(/^.*\//, '').replace(/\.ipynb$/, '')}`;
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
function openWhenAsked(notebook: NotebookPanel, open: (request: ShowRequest) => void): void {
  const listen = (kernel: Kernel.IKernelConnection | null | undefined) =>
    kernel?.registerCommTarget(showTarget, (comm, message) => {
      const { panel, depth } = message.content.data as { panel?: unknown; depth?: unknown };
      open({ ...(typeof panel === 'string' ? { panel } : {}), ...(isDepth(depth) ? { depth } : {}) });
      comm.close();
    });
  listen(notebook.sessionContext.session?.kernel);
  notebook.sessionContext.kernelChanged.connect((_context, { newValue }) => listen(newValue));
}
