/** The few functions of plotly.js that this extension calls. */
declare module 'plotly.js-cartesian-dist-min' {
  export interface PlotlyElement extends HTMLElement {
    layout: Record<string, { range?: [number, number] }>;
    on(event: string, listener: (change: Record<string, unknown>) => void): void;
  }
  export interface Plotly {
    react(element: HTMLElement, data: object[], layout: object, config: object): Promise<PlotlyElement>;
    purge(element: HTMLElement): void;
  }
  const plotly: Plotly;
  // biome-ignore lint/style/noDefaultExport: the package is CommonJS
  export default plotly;
}
