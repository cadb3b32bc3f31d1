/** Draws the display bundle of a finished run in a saved notebook: the same panels, from data alone. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { bundleMime } from 'kvlab/frame';
import { createLab, type Lab } from './lab/lab.ts';
import { readBundle } from './store/bundle.ts';
import { createStore, receiveFrame, showRun } from './store/store.ts';

class BundleWidget extends Widget implements IRenderMime.IRenderer {
  #lab: Lab | undefined;

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.addClass('kvlab-bundle');
    try {
      const saved = await readBundle(model.data[bundleMime]);
      const { header, leftOut, lanes } = saved;
      if (this.isDisposed) return;
      this.#lab?.dispose();
      const store = createStore();
      this.#lab = createLab(store);
      this.node.classList.toggle('kvlab-bundle-comparison', header.info.comparison !== undefined);
      this.node.replaceChildren(this.#lab.node, this.#switch());
      this.node.classList.toggle('kvlab-bundle-lanes', lanes.length > 0);
      for (const run of [saved, ...lanes]) {
        const info = { ...run.header.info, leftOut: run.leftOut };
        receiveFrame(store, { ...run.header, info, snapshot: true, merged: 0 }, run.buffer);
      }
      // The full cache loses nothing: the first method has more to show.
      const first = lanes.find(({ header }) => header.info.laneOf?.lane === 1);
      if (first) showRun(store, first.header.run, false);
      store.stale = leftOut ? `saved run without ${leftOut}` : 'saved run';
      this.#lab.redraw();
    } catch (error) {
      this.#lab?.dispose();
      this.#lab = undefined;
      this.node.replaceChildren(whyNot(error instanceof Error ? error.message : String(error)));
    }
  }

  /** Two panels are enough beside the text of a notebook; the button shows all. */
  #switch(): HTMLElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'kvlab-all-panels';
    const show = (all: boolean) => {
      this.node.classList.toggle('kvlab-all', all);
      button.textContent = all ? 'Fewer panels' : 'All panels';
      button.setAttribute('aria-expanded', String(all));
      this.#lab?.redraw();
    };
    button.addEventListener('click', () => show(!this.node.classList.contains('kvlab-all')));
    show(false);
    return button;
  }

  override dispose(): void {
    this.#lab?.dispose();
    super.dispose();
  }
}

/** What stands in place of a run that cannot be shown. */
function whyNot(message: string): HTMLElement {
  const node = document.createElement('div');
  node.className = 'kvlab-not-shown';
  node.setAttribute('role', 'alert');
  const title = document.createElement('strong');
  title.textContent = '✕ This saved run is not shown';
  const text = document.createElement('span');
  text.textContent = message;
  node.append(title, text);
  return node;
}

const extension: IRenderMime.IExtension = {
  id: '@kvlab/lab-extension:bundle',
  description: 'Draws finished runs of kvlab in saved notebooks.',
  rendererFactory: {
    safe: true,
    mimeTypes: [bundleMime],
    defaultRank: 10,
    createRenderer: () => new BundleWidget(),
  },
  dataType: 'json',
};

export default extension;
