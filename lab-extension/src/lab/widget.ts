/** The lab as a tab of JupyterLab: connects to the notebook's kernel while it lives. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import type { MethodForm } from 'kvlab/frame';
import { createStore, pointedAt, subscribe } from '../store/store.ts';
import { type Connection, connect } from './connection.ts';
import { insertCellBelow, runCellBelow } from './insert-cell.ts';
import { createLab, type Lab } from './lab.ts';

export class LabWidget extends Widget {
  readonly store = createStore();
  readonly lab: Lab;
  readonly #connection: Connection;
  readonly #unsubscribe: () => void;
  readonly #askers: ((forms: readonly MethodForm[]) => void)[] = [];

  /** `openFile` opens a file of the repository; absent where the page has no file browser. */
  constructor(notebook: NotebookPanel, openFile?: (path: string) => void) {
    super();
    this.addClass('kvlab-widget');
    const { store } = this;
    this.lab = createLab(store, {
      insertCell: (source) => insertCellBelow(notebook, source),
      runCell: (source) => runCellBelow(notebook, source),
      methods: () => this.#askMethods(),
      control: (action) => {
        if (store.shown !== undefined) this.#connection.send({ type: 'control', run: store.shown, action });
      },
      change: (options) => {
        if (store.shown !== undefined)
          this.#connection.send({ type: 'control', run: store.shown, action: 'change', options });
      },
      ...(openFile ? { openFile } : {}),
      watch: (layer, queryHead) => {
        if (store.shown !== undefined) this.#connection.send({ type: 'watch', run: store.shown, layer, queryHead });
      },
      onDrawn: () => this.#connection?.drawn(),
    });
    this.node.append(this.lab.node);
    let sent = '';
    const tellSelection = () => {
      const selection = pointedAt(store);
      const key = JSON.stringify(selection);
      if (key === sent) return;
      sent = key;
      this.#connection.send({ type: 'selection', selection });
    };
    this.#connection = connect(notebook.sessionContext, store, {
      show: (panel) => this.lab.show(panel),
      methods: (forms) => {
        for (const answer of this.#askers.splice(0)) answer(forms);
      },
      opened: () => {
        sent = '';
        tellSelection();
      },
    });
    this.#unsubscribe = subscribe(store, tellSelection);
    notebook.disposed.connect(() => this.dispose());
  }

  /** The kernel's methods; refused when no kernel answers. */
  #askMethods(): Promise<readonly MethodForm[]> {
    return new Promise((resolve, reject) => {
      this.#askers.push(resolve);
      this.#connection.send({ type: 'methods' });
      setTimeout(() => reject(new Error('The kernel does not answer; start it and open this again.')), 10_000);
    });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#unsubscribe();
    this.#connection.dispose();
    this.lab.dispose();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.#connection.setVisible(true);
    this.lab.redraw();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.#connection.setVisible(false);
  }

  protected override onResize(message: Widget.ResizeMessage): void {
    super.onResize(message);
    this.lab.redraw();
  }
}
