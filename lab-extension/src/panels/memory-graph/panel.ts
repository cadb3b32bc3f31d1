/** Memory graph: the bold path of the query, hubs and their shade, kinds of links; a tree for segments of the text. */
import { drawLine, drawRampKey, drawText, textWidth } from '../../draw/marks.ts';
import { fixed, whole } from '../../draw/scale.ts';
import { clearSurface, createSurface, type Rect, type Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme } from '../../draw/theme.ts';
import { clearSelection, lockOrAdd, previewSelection, selected, shownRun, shownStep } from '../../store/store.ts';
import { translate } from '../../translate.ts';
import { markChoice, type PanelKind, segmented } from '../panel.ts';
import { fillTable } from '../words.ts';
import { describeGraph, nodeTable } from './describe.ts';
import { encodeGraph, type GraphDrawing, type GraphNode, hasGraph, labelled, nodeOf } from './encode.ts';
import type { Layout } from './layout.ts';
import { graphToPlace, startPlacing } from './place.ts';

/** Solid for what a node is about or a part of. */
const dashes = new Map<string, number[]>([
  ['then', [6, 4]],
  ['like', [2, 3]],
]);

export const memoryGraph: PanelKind = {
  id: 'memory-graph',
  title: 'Memory graph',
  restMs: 300,
  mount(host, { store, redraw }) {
    const surface = createSurface(host);
    const list = document.createElement('div');
    list.className = 'kvlab-table kvlab-graph-list';
    list.hidden = true;
    host.append(list);
    let asList = false;
    const controls = segmented(
      'Memory',
      [
        { value: 'graph', text: 'Graph' },
        { value: 'list', text: 'List' },
      ],
      'graph',
      (value) => {
        asList = value === 'list';
        redraw();
      },
    );
    // What is being placed, or was given up.
    let placing: { key: string; done: number; cancel: (() => void) | undefined } | undefined;
    let laid: { key: string; layout: Layout } | undefined;
    let encoded: { key: string; drawing: GraphDrawing } | undefined;
    const stopButton = document.createElement('button');
    stopButton.type = 'button';
    stopButton.className = 'kvlab-graph-stop';
    stopButton.hidden = true;
    host.append(stopButton);
    const cancel = () => {
      placing?.cancel?.();
      if (placing) placing.cancel = undefined;
      redraw();
    };
    stopButton.addEventListener('click', () => {
      if (placing?.cancel) cancel();
      else {
        placing = undefined;
        redraw();
      }
      host.focus();
    });
    stopButton.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && placing?.cancel) cancel();
    });
    let drawing: GraphDrawing | undefined;
    let places: { node: GraphNode; x: number; y: number }[] = [];
    let hovered: number | undefined;

    const nearest = (event: PointerEvent): GraphNode | undefined => {
      const box = host.getBoundingClientRect();
      const [px, py] = [event.clientX - box.left, event.clientY - box.top];
      const near = places
        .map(({ node, x, y }) => ({ node, away: Math.hypot(x - px, y - py) }))
        .sort((a, b) => a.away - b.away)[0];
      return near && near.away < 18 ? near.node : undefined;
    };
    const positionOf = (node: GraphNode | undefined) => (node && node.to > node.from ? { position: node.from } : {});
    surface.canvas.addEventListener('pointermove', (event) => {
      const node = nearest(event);
      if (node?.node === hovered) return;
      hovered = node?.node;
      previewSelection(store, positionOf(node));
      redraw();
    });
    surface.canvas.addEventListener('pointerleave', () => {
      hovered = undefined;
      previewSelection(store, {});
      redraw();
    });
    surface.canvas.addEventListener('click', (event) => {
      const selection = positionOf(nearest(event));
      if (selection.position !== undefined) lockOrAdd(store, selection, event);
    });

    /** The places of a run; undefined while they are still computed, and where that was cancelled. */
    const placed = (): Layout | undefined => {
      const run = shownRun(store)!;
      const key = `${run.info.run} ${run.log.get('node.kind')?.rows} ${run.log.get('link.source')?.rows}`;
      if (laid?.key === key) return laid.layout;
      if (placing?.key !== key) {
        placing?.cancel?.();
        const own: NonNullable<typeof placing> = { key, done: 0, cancel: undefined };
        placing = own;
        const stop = startPlacing(graphToPlace(run), {
          progress(done) {
            own.done = done;
            redraw();
          },
          placed(layout) {
            laid = { key, layout };
            if (placing === own) placing = undefined;
            redraw();
          },
        });
        if (placing === own) own.cancel = stop;
      }
      // A graph that grows keeps its old picture until the new one is ready.
      return laid?.key.startsWith(`${run.info.run} `) ? laid.layout : undefined;
    };
    const graphAt = (step: number): GraphDrawing | undefined => {
      const run = shownRun(store);
      if (!run || !hasGraph(run)) return undefined;
      const key = `${run.info.run} ${run.version} ${step}`;
      if (encoded?.key !== key) encoded = { key, drawing: encodeGraph(run, step) };
      return encoded.drawing;
    };

    return {
      controls,
      keys: {
        Escape: {
          does: 'cancel the placing of nodes, else clear the selection',
          press: () => (placing?.cancel ? cancel() : clearSelection(store)),
        },
      },
      draw(theme) {
        clearSurface(surface);
        const run = shownRun(store);
        const step = run ? shownStep(store, run) : 0;
        drawing = graphAt(step);
        stopButton.hidden = true;
        markChoice(controls, asList ? 'list' : 'graph');
        const { position } = selected(store);
        const said = describeGraph(run, drawing, step, { node: hovered, position });
        list.hidden = !asList || !drawing;
        surface.canvas.hidden = !list.hidden;
        places = [];
        if (!drawing) {
          drawEmpty(surface, theme);
          return said;
        }
        if (asList) {
          fillTable(list, nodeTable(drawing));
          return said;
        }
        const layout = placed();
        if (placing) {
          stopButton.hidden = false;
          stopButton.textContent = translate(placing.cancel ? 'Cancel' : 'Place again');
        }
        if (!layout) {
          const share = `${Math.round(100 * (placing?.done ?? 0))} %`;
          const words = placing?.cancel
            ? `placing ${whole(drawing.all)} nodes: ${share}`
            : `placing was cancelled at ${share}; the list has all nodes`;
          drawText(surface, theme, words, 10, 14);
          return { ...said, facts: { ...said.facts, placed: 0 } };
        }
        const wide = surface.width >= 560;
        const room: Rect = { x: 50, y: 22, width: surface.width - 100 - (wide ? 130 : 0), height: surface.height - 54 };
        places = drawing.nodes
          .filter(({ node }) => node < layout.x.length)
          .map((node) => ({
            node,
            x: room.x + layout.x[node.node]! * room.width,
            y: room.y + layout.y[node.node]! * room.height,
          }));
        const inside = position === undefined ? undefined : nodeOf(drawing, position)?.node;
        drawGraph(surface, theme, drawing, places, hovered ?? inside);
        if (wide) drawLegend(surface, theme, drawing, surface.width - 128);
        return { ...said, facts: { ...said.facts, placed: places.length } };
      },
      step(columns, rows) {
        if (!drawing?.nodes.length) return undefined;
        const at = drawing.nodes.findIndex(({ node }) => node === hovered);
        const next = drawing.nodes[Math.max(0, Math.min(drawing.nodes.length - 1, at + columns + rows))]!;
        hovered = next.node;
        redraw();
        return positionOf(next);
      },
      dispose: () => placing?.cancel?.(),
    };
  },
};

function drawGraph(
  surface: Surface,
  theme: Theme,
  drawing: GraphDrawing,
  places: readonly { node: GraphNode; x: number; y: number }[],
  marked: number | undefined,
): void {
  const { context } = surface;
  const at = new Map(places.map((place) => [place.node.node, place]));
  const hops = drawing.path.slice(1).map((node, i) => [drawing.path[i]!, node] as const);
  const onPath = (a: number, b: number) =>
    hops.some(([from, to]) => (from === a && to === b) || (from === b && to === a));
  for (const { source, target, kind } of drawing.links) {
    const [a, b] = [at.get(source), at.get(target)];
    if (!a || !b || onPath(source, target)) continue;
    const near = marked === source || marked === target;
    drawLine(
      surface,
      [
        [a.x, a.y],
        [b.x, b.y],
      ],
      { colour: near ? theme.ink : theme.ink3, opacity: near ? 1 : 0.65, dash: dashes.get(kind) ?? [] },
    );
  }
  for (const [from, to] of hops) {
    const [a, b] = [at.get(from), at.get(to)];
    if (a && b)
      drawLine(
        surface,
        [
          [a.x, a.y],
          [b.x, b.y],
        ],
        { colour: theme.ink, width: 2.5 },
      );
  }
  for (const { node, x, y } of places) {
    const path = drawing.path.includes(node.node);
    context.save();
    context.fillStyle =
      node.goneAt === undefined ? theme.rampCss[Math.max(8, rampIndex(node.activation))]! : theme.goneGround;
    context.strokeStyle = node.goneAt === undefined ? theme.ink : theme.ink3;
    context.lineWidth = path || marked === node.node ? 2.5 : 1;
    if (node.goneAt !== undefined) context.setLineDash([2, 2]);
    context.beginPath();
    if (node.kind === 'hub' || node.kind === 'cluster') context.rect(x - 10, y - 10, 20, 20);
    else if (node.kind === 'segment') context.roundRect(x - 8, y - 5, 16, 10, 3);
    else context.arc(x, y, 5.5, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.restore();
  }
  placeLabels(surface, theme, drawing, places, marked);
}

/** Labels under their nodes, the important first; one that would touch another is left out. */
function placeLabels(
  surface: Surface,
  theme: Theme,
  drawing: GraphDrawing,
  places: readonly { node: GraphNode; x: number; y: number }[],
  marked: number | undefined,
): void {
  const wanted = labelled(drawing);
  const weight = ({ node }: { node: GraphNode }) =>
    (node.node === marked ? 4 : 0) +
    (drawing.path.includes(node.node) ? 2 : 0) +
    (node.kind === 'hub' ? 1 : 0) +
    node.activation;
  const taken: Rect[] = places.map(({ x, y, node }) =>
    node.kind === 'hub'
      ? { x: x - 10, y: y - 10, width: 20, height: 20 }
      : { x: x - 6, y: y - 6, width: 12, height: 12 },
  );
  for (const place of [...places].sort((a, b) => weight(b) - weight(a))) {
    const { node, x, y } = place;
    if (!wanted.has(node.node) && node.node !== marked) continue;
    const bold = node.kind === 'hub' || drawing.path.includes(node.node) || node.node === marked;
    const width = textWidth(surface, theme, node.label, { bold });
    const centre = Math.max(width / 2 + 2, Math.min(surface.width - width / 2 - 2, x));
    const low = node.kind === 'hub' ? 20 : 14;
    const spot = [y + low, y - low].map((middle) => ({
      middle,
      box: { x: centre - width / 2 - 2, y: middle - 7, width: width + 4, height: 14 },
    }));
    const free = spot.find(({ box }) => taken.every((other) => !overlaps(box, other)));
    if (!free) continue;
    taken.push(free.box);
    drawText(surface, theme, node.label, centre, free.middle, {
      align: 'center',
      bold,
      halo: true,
      colour: bold ? theme.ink : theme.ink2,
    });
  }
}

function overlaps(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function drawLegend(surface: Surface, theme: Theme, drawing: GraphDrawing, left: number): void {
  let y = 8;
  const heading = (text: string) => {
    drawText(surface, theme, text, left, y, { bold: true, colour: theme.ink });
    y += 18;
  };
  if (drawing.path.length) {
    heading('Hops');
    const named = drawing.path.slice(0, 8).map((node) => drawing.nodes.find((own) => own.node === node)!);
    named.forEach(({ label, activation }, i) => {
      const { context } = surface;
      if (i)
        drawLine(
          surface,
          [
            [left + 4, y - 13],
            [left + 4, y - 4],
          ],
          { colour: theme.ink, width: 1.5 },
        );
      context.fillStyle = theme.rampCss[Math.max(8, rampIndex(activation))]!;
      context.strokeStyle = theme.ink;
      context.lineWidth = 1;
      context.beginPath();
      context.arc(left + 4, y, 4, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
      drawText(surface, theme, label, left + 14, y, { colour: theme.ink });
      drawText(surface, theme, fixed(activation, 2), surface.width - 2, y, { align: 'right' });
      y += 18;
    });
    y += 10;
  }
  const kinds = [...new Set(drawing.links.map(({ kind }) => kind))];
  if (kinds.length) heading('Links');
  for (const kind of kinds) {
    drawLine(
      surface,
      [
        [left, y],
        [left + 26, y],
      ],
      { colour: theme.ink2, width: 1.5, dash: dashes.get(kind) ?? [] },
    );
    drawText(surface, theme, kind, left + 34, y);
    y += 17;
  }
  if (drawing.gone) {
    const { context } = surface;
    context.save();
    context.strokeStyle = theme.ink3;
    context.fillStyle = theme.goneGround;
    context.setLineDash([2, 2]);
    context.beginPath();
    context.roundRect(left + 5, y - 5, 16, 10, 3);
    context.fill();
    context.stroke();
    context.restore();
    drawText(surface, theme, 'gone', left + 34, y);
    y += 17;
  }
  if (!drawing.nodes.some(({ activation }) => activation > 0)) return;
  y += 10;
  heading('Activation');
  drawRampKey(surface, theme, left, y - 2, '0', '1', 76);
}

function drawEmpty(surface: Surface, theme: Theme): void {
  const { width, height } = surface;
  drawLine(
    surface,
    [
      [width * 0.2, height * 0.5],
      [width * 0.4, height * 0.3],
      [width * 0.6, height * 0.6],
    ],
    { colour: theme.rule2, dash: [3, 4] },
  );
}
