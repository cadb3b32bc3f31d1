/** Puts a cell below the active one and makes it active. */
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

export function insertCellBelow(notebook: NotebookPanel, source: string): void {
  NotebookActions.insertBelow(notebook.content);
  notebook.content.activeCell?.model.sharedModel.setSource(source);
  notebook.content.activate();
}

/** Puts a cell below the active one and runs it. */
export function runCellBelow(notebook: NotebookPanel, source: string): void {
  insertCellBelow(notebook, source);
  void NotebookActions.run(notebook.content, notebook.sessionContext);
}
