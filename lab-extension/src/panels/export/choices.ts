/** What a panel can be saved as, and how each is made. */
import { axesDrawn } from '../../draw/axes.ts';
import { drawnFinely } from '../../draw/surface.ts';
import { readTheme } from '../../draw/theme.ts';
import { changesMade } from '../../store/changes.ts';
import { pointedAt, shownRun } from '../../store/store.ts';
import { columnsOfTable, csvOf, type DataColumns } from '../data.ts';
import type { Surroundings } from '../panel.ts';
import type { Said } from '../words.ts';
import { arrowOf } from './arrow.ts';
import { cellOf } from './cell.ts';
import { download } from './download.ts';
import { type Facts, factsOf, fileName } from './facts.ts';
import { figureOf } from './figure.ts';
import type { ExportChoice } from './menu.ts';
import { pictureScale, pngOf } from './png.ts';

export interface Exported {
  kind: { id: string };
  node: HTMLElement;
  surroundings: Surroundings;
  said(): Said | undefined;
  draw(): void;
}

export function exportChoices(panel: Exported): ExportChoice[] {
  const { kind, node, surroundings } = panel;
  const facts = (): Facts => {
    const said = panel.said();
    if (!said || said.missing) throw new Error(`export: ${kind.id} shows nothing yet; run a cell that fills it`);
    return factsOf(surroundings.store, kind.id, said);
  };
  /** The panel drawn finely, and then as it was. */
  const figure = async () => {
    const known = facts();
    const made = await drawnFinely(pictureScale, async () => {
      panel.draw();
      await axesDrawn();
      return figureOf(node, known, readTheme(node).paper);
    });
    surroundings.redraw();
    return { ...made, facts: known };
  };
  const columns = (): DataColumns => {
    const said = panel.said()!;
    const { head, rows } = said.table();
    return said.data?.() ?? columnsOfTable(head, rows);
  };
  return [
    {
      id: 'png',
      text: 'Picture, PNG',
      async save() {
        const { svg, width, height, facts } = await figure();
        download(`${fileName(facts)}.png`, 'image/png', await pngOf(svg, width, height, facts));
      },
    },
    {
      id: 'svg',
      text: 'Picture, SVG',
      async save() {
        const { svg, facts } = await figure();
        download(`${fileName(facts)}.svg`, 'image/svg+xml', svg);
      },
    },
    {
      id: 'csv',
      text: 'Numbers, CSV',
      save() {
        const known = facts();
        download(`${fileName(known)}.csv`, 'text/csv', csvOf(columns(), known));
      },
    },
    {
      id: 'arrow',
      text: 'Numbers, Arrow',
      async save() {
        const known = facts();
        download(`${fileName(known)}.arrow`, 'application/vnd.apache.arrow.file', await arrowOf(columns(), known));
      },
    },
    {
      id: 'cell',
      text: 'Copy as cell',
      async save() {
        await navigator.clipboard.writeText(cellOfPanel(panel));
      },
    },
  ];
}

function cellOfPanel({ kind, surroundings: { store } }: Exported): string {
  const run = shownRun(store);
  if (!run) throw new Error('export: there is no run to write a cell for; run lab.generate first');
  const prompt = run.texts.slice(0, run.info.promptLength);
  if (prompt.some((token) => token.bytes))
    throw new Error(
      'export: the prompt has pieces of characters that text cannot hold; copy the cell that made the run',
    );
  return cellOf({
    info: run.info,
    prompt: prompt.map((token) => token.text).join(''),
    changes: changesMade(run),
    panel: kind.id,
    selection: pointedAt(store),
  });
}
