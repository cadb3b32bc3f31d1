import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

const plugin: JupyterFrontEndPlugin<void> = {
  id: '@kvlab/lab-extension:plugin',
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    app.commands.addCommand('kvlab:open', {
      label: 'Open kvlab',
      execute: async () => {
        const p = await import('plotly.js-cartesian-dist-min' as string);
        console.log(p);
      },
    });
  },
};
export default plugin;
