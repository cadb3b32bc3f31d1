/** Puts a cell below the active one and makes it active; running it is left to the reader. */
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

export function insertCellBelow(notebook: NotebookPanel, source: string): void {
  NotebookActions.insertBelow(notebook.content);
  notebook.content.activeCell?.model.sharedModel.setSource(source);
  notebook.content.activate();
}
