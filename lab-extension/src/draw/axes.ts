/** Axes, zoom and pan by a transparent plotly plot over a canvas. The only file that knows plotly.
 *
 *  Plotly is asked for something only when an axis, the size or the theme changes; marks are painted on the canvas below,
 *  because redrawing them in plotly costs about a hundred times as much. */
import type { Plotly, PlotlyElement } from 'plotly.js-cartesian-dist-min';
import { linearScale, type Scale } from './scale.ts';
import type { Rect } from './surface.ts';
import type { Theme } from './theme.ts';

export interface Axis {
  /** Values at the low and the high end; the first may be larger. */
  range: readonly [number, number];
  ticks: readonly number[];
  labels?: readonly string[];
  title?: string;
  /** Nothing but the ticks is drawn where the cells make their own edge. */
  line?: boolean;
}

/** One plot area: where it lies in the host, its axes, and whether the user may zoom into it. */
export interface PlotArea {
  rect: Rect;
  x: Axis;
  y: Axis;
  zoom?: 'x' | 'xy';
}

/** Ranges that the user zoomed to; absent where the whole axis is shown. */
export interface Zoomed {
  x?: readonly [number, number] | undefined;
  y?: readonly [number, number] | undefined;
}

export interface Axes {
  readonly node: HTMLElement;
  /** Sets all areas of the drawing. */
  set(areas: readonly PlotArea[], size: { width: number; height: number }, theme: Theme): void;
  /** Ranges of an area where the user zoomed. */
  zoomed(area: number): Zoomed;
  dispose(): void;
}

const loaded: { plotly?: Plotly | undefined; failed?: string } = {};

/** Loads plotly when the first panel needs it; JupyterLab starts without it. */
async function loadPlotly(): Promise<Plotly> {
  loaded.plotly ??= (await import('plotly.js-cartesian-dist-min')).default;
  return loaded.plotly;
}

const unfinished = new Set<Promise<unknown>>();

/** Resolves when all axes of the page are as they were last set. */
export async function axesDrawn(): Promise<void> {
  while (unfinished.size) await Promise.all(unfinished);
}

export function createAxes(host: HTMLElement, onZoom: () => void): Axes {
  const node = document.createElement('div');
  node.className = 'kvlab-axes';
  node.setAttribute('aria-hidden', 'true');
  host.append(node);
  let shown = '';
  let wanted = '';
  let areas: readonly PlotArea[] = [];
  let zoomed: Map<string, [number, number]> = new Map();
  let listening = false;
  let disposed = false;
  let work: Promise<unknown> = Promise.resolve();

  const range = (name: string, base: readonly [number, number]): readonly [number, number] => zoomed.get(name) ?? base;

  const followZoom = (change: Record<string, unknown>) => {
    for (const [key, value] of Object.entries(change)) {
      const [, name, end] = /^([xy]axis\d*)\.range(?:\[(\d)\])?$/.exec(key) ?? [];
      if (!name) continue;
      const area = areas[Number(/\d+$/.exec(name)?.[0] ?? 1) - 1];
      const base = area?.[name[0] as 'x' | 'y'].range;
      if (!base) continue;
      const next: [number, number] = [...(zoomed.get(name) ?? base)];
      if (Array.isArray(value)) next.splice(0, 2, Number(value[0]), Number(value[1]));
      else next[Number(end)] = Number(value);
      zoomed.set(name, next);
    }
    onZoom();
  };

  const showAll = () => {
    zoomed = new Map();
    shown = '';
    onZoom();
  };

  return {
    node,
    set(next, size, theme) {
      areas = next;
      node.hidden = next.length === 0;
      if (node.hidden) return;
      wanted = JSON.stringify([next, size, theme.name, theme.paper, [...zoomed]]);
      if (wanted === shown) return;
      shown = wanted;
      const layout = layoutOf(next, size, theme, range);
      const key = wanted;
      const now = work
        .then(async () => {
          const plotly = await loadPlotly();
          if (disposed || key !== wanted || size.width < 1 || size.height < 1) return;
          const element = await plotly.react(node, tracesOf(next), layout, plotConfig);
          if (!listening) {
            listening = true;
            (element as PlotlyElement).on('plotly_relayout', followZoom);
            (element as PlotlyElement).on('plotly_doubleclick', showAll);
          }
        })
        .catch((error: unknown) => {
          if (!disposed) node.textContent = `axes: plotly did not load (${String(error)}); reload the page`;
        })
        .finally(() => unfinished.delete(now));
      unfinished.add(now);
      work = now;
    },
    zoomed(area) {
      const suffix = area === 0 ? '' : `${area + 1}`;
      return { x: zoomed.get(`xaxis${suffix}`), y: zoomed.get(`yaxis${suffix}`) };
    },
    dispose() {
      disposed = true;
      loaded.plotly?.purge(node);
      node.remove();
    },
  };
}

/** Pixel scales of a plot area under the ranges that are shown. */
export function areaScales(area: PlotArea, zoomed: Zoomed = {}): { x: Scale; y: Scale } {
  const { x, y, width, height } = area.rect;
  return {
    x: linearScale(zoomed.x ?? area.x.range, [x, x + width]),
    y: linearScale(zoomed.y ?? area.y.range, [y + height, y]),
  };
}

/** Shared settings of all plots. Nothing is ever sent anywhere. */
export const plotConfig = {
  showSendToCloud: false,
  displaylogo: false,
  displayModeBar: false,
  doubleClick: false,
  scrollZoom: false,
  showTips: false,
  responsive: false,
  staticPlot: false,
} as const;

function tracesOf(areas: readonly PlotArea[]): object[] {
  return areas.map((_, i) => ({
    type: 'scatter',
    x: [],
    y: [],
    xaxis: i === 0 ? 'x' : `x${i + 1}`,
    yaxis: i === 0 ? 'y' : `y${i + 1}`,
    hoverinfo: 'skip',
  }));
}

function layoutOf(
  areas: readonly PlotArea[],
  size: { width: number; height: number },
  theme: Theme,
  range: (name: string, base: readonly [number, number]) => readonly [number, number],
): object {
  const layout: Record<string, unknown> = {
    width: size.width,
    height: size.height,
    margin: { l: 0, r: 0, t: 0, b: 0, pad: 0, autoexpand: false },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    showlegend: false,
    hovermode: false,
    dragmode: 'zoom',
    font: { family: theme.font, size: 11, color: theme.ink2 },
  };
  const within = (value: number) => Math.max(0, Math.min(1, value));
  for (const [i, { rect, x, y, zoom }] of areas.entries()) {
    const suffix = i === 0 ? '' : `${i + 1}`;
    const shared = (axis: Axis, name: string) => ({
      range: [...range(name, axis.range)],
      tickmode: 'array',
      tickvals: [...axis.ticks],
      ticktext: (axis.labels ?? axis.ticks.map(String)).map(escapeTick),
      showgrid: false,
      zeroline: false,
      showline: axis.line ?? false,
      linecolor: theme.rule2,
      linewidth: 1,
      ticks: axis.line ? 'outside' : '',
      ticklen: 3,
      tickcolor: theme.rule2,
      tickfont: { family: theme.font, size: 11, color: theme.ink3 },
      automargin: false,
      title: axis.title
        ? { text: escapeTick(axis.title), standoff: 4, font: { family: theme.font, size: 11, color: theme.ink3 } }
        : { text: '' },
    });
    layout[`xaxis${suffix}`] = {
      ...shared(x, `xaxis${suffix}`),
      domain: [within(rect.x / size.width), within((rect.x + rect.width) / size.width)],
      anchor: `y${suffix}`,
      fixedrange: !zoom,
      tickangle: 0,
    };
    layout[`yaxis${suffix}`] = {
      ...shared(y, `yaxis${suffix}`),
      domain: [within(1 - (rect.y + rect.height) / size.height), within(1 - rect.y / size.height)],
      anchor: `x${suffix}`,
      fixedrange: zoom !== 'xy',
    };
  }
  return layout;
}

/** Plotly reads a few tags in labels; a tick is only ever text. */
function escapeTick(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
