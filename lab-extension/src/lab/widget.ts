/** The lab as a tab of JupyterLab: connects to the notebook's kernel while it lives. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { createStore, pointedAt, subscribe } from '../store/store.ts';
import { type Connection, connect } from './connection.ts';
import { insertCellBelow } from './insert-cell.ts';
import { createLab, type Lab } from './lab.ts';

export class LabWidget extends Widget {
  readonly #lab: Lab;
  readonly #connection: Connection;
  readonly #unsubscribe: () => void;

  constructor(notebook: NotebookPanel) {
    super();
    this.addClass('kvlab-widget');
    const store = createStore();
    this.#lab = createLab(store, {
      insertCell: (source) => insertCellBelow(notebook, source),
      watch: (layer, queryHead) => {
        if (store.shown !== undefined) this.#connection.send({ type: 'watch', run: store.shown, layer, queryHead });
      },
      onDrawn: () => this.#connection?.drawn(),
    });
    this.node.append(this.#lab.node);
    let sent = '';
    const tellSelection = () => {
      const selection = pointedAt(store);
      const key = JSON.stringify(selection);
      if (key === sent) return;
      sent = key;
      this.#connection.send({ type: 'selection', selection });
    };
    this.#connection = connect(notebook.sessionContext, store, {
      show: (panel) => this.#lab.show(panel),
      opened: () => {
        sent = '';
        tellSelection();
      },
    });
    this.#unsubscribe = subscribe(store, tellSelection);
    notebook.disposed.connect(() => this.dispose());
  }

  /** Brings a panel into view. */
  showPanel(panel: string | undefined): void {
    this.#lab.show(panel);
  }

  /** Gives one panel the whole lab. */
  enlarge(panel: string | undefined): void {
    this.#lab.enlarge(panel);
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#unsubscribe();
    this.#connection.dispose();
    this.#lab.dispose();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.#connection.setVisible(true);
    this.#lab.redraw();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.#connection.setVisible(false);
  }

  protected override onResize(message: Widget.ResizeMessage): void {
    super.onResize(message);
    this.#lab.redraw();
  }
}
