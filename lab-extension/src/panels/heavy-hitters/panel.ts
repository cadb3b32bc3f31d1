/** Heavy hitters: the dark column at token 0, the few dark lines, the knee of the curve, the words in the list. */
import type { PlotArea } from '../../draw/axes.ts';
import { fitCells, paintCells } from '../../draw/cells.ts';
import { drawLine, drawLock, drawSeries, drawText, textWidth } from '../../draw/marks.ts';
import { clipped, createPlot, flagWords, markToken, markTokens, within } from '../../draw/plot.ts';
import { indexTicks, linearScale, percent, roundTicks, type Scale } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme } from '../../draw/theme.ts';
import { placeWords } from '../../draw/words.ts';
import type { Run } from '../../store/run.ts';
import {
  lockedPositions,
  lockOrAdd,
  previewSelection,
  type Store,
  selected,
  shownRange,
  shownRun,
  shownStep,
} from '../../store/store.ts';
import { headOf } from '../eviction-timeline/panel.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { describeHeavy } from './describe.ts';
import {
  binScores,
  type Concentration,
  concentration,
  encodeHeavy,
  type HeavyDrawing,
  type ScoreRule,
  scoreRules,
  shareAt,
  shareCurve,
  topTokens,
} from './encode.ts';
import { fillTopList } from './list.ts';
import { aboutOverlap, drawOverlap, overlapArea } from './overlap.ts';
import { aboutRanks, rankChanges, rankRows, rankTable } from './ranks.ts';
import { drawSlopes, pointedEnd, type SlopeEnd } from './slopes.ts';

export const heavyHitters: PanelKind = {
  id: 'heavy-hitters',
  title: 'Heavy hitters',
  restMs: 200,
  mount(host, { store, redraw }) {
    const plot = createPlot(host, redraw);
    const { surface, axes } = plot;
    let rule: ScoreRule = 'sum';
    const choose = (next: ScoreRule) => {
      rule = next;
      redraw();
    };
    // What stands in place of the scores, if anything.
    let instead: 'overlap' | 'ranks' | undefined;
    const toggle = (picture: typeof instead) => {
      instead = instead === picture ? undefined : picture;
      redraw();
    };
    const pictureButton = (picture: 'overlap' | 'ranks', text: string, title: string) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = text;
      button.title = title;
      button.addEventListener('click', () => toggle(picture));
      return button;
    };
    const overlap = pictureButton('overlap', 'Overlap', 'Which heads have the same heavy tokens (o)');
    const ranks = pictureButton('ranks', 'Ranks', 'How ranks change between two steps (k)');
    let ends: SlopeEnd[] = [];
    const scores = segmented<ScoreRule>(
      'Score',
      [
        { value: 'sum', text: 'Sum' },
        { value: 'mean', text: 'Mean' },
        { value: 'largest', text: 'Largest' },
      ],
      rule,
      choose,
    );
    const controls = document.createElement('span');
    controls.className = 'kvlab-choices';
    controls.append(overlap, ranks, scores);
    const list = document.createElement('div');
    list.className = 'kvlab-top';
    host.append(list);
    let scales: { x: Scale; y: Scale } | undefined;
    let mosaic: Rect | undefined;
    followPointer(
      host,
      (x, y) => {
        const run = shownRun(store);
        if (!run || !mosaic || !within(mosaic, x, y)) return undefined;
        if (instead === 'ranks') return pointedEnd(ends, x < mosaic.x + mosaic.width / 2 ? 'left' : 'right', y);
        if (!scales) return undefined;
        const row = Math.floor(scales.y.invert(y) * run.info.model.kvHeads);
        if (instead === 'overlap')
          return {
            layer: Math.floor(row / run.info.model.kvHeads),
            kvHead: row % run.info.model.kvHeads,
            queryHead: undefined,
          };
        const position = Math.floor(scales.x.invert(x));
        if (position < 0 || position >= run.texts.length) return undefined;
        return {
          position,
          layer: Math.floor(row / run.info.model.kvHeads),
          kvHead: row % run.info.model.kvHeads,
          queryHead: undefined,
        };
      },
      store,
    );
    const rowOf = (event: Event) =>
      (event.target as HTMLElement).closest<HTMLElement>('[data-position]')?.dataset.position;
    list.addEventListener('pointerover', (event) => {
      const position = rowOf(event);
      if (position !== undefined) previewSelection(store, { position: Number(position) });
    });
    list.addEventListener('click', (event) => {
      const position = rowOf(event);
      if (position !== undefined) lockOrAdd(store, { position: Number(position) }, event);
    });
    return {
      controls,
      keys: {
        o: { does: 'overlap of heavy tokens between heads', press: () => toggle('overlap') },
        k: { does: 'change of ranks between two steps', press: () => toggle('ranks') },
        r: {
          does: 'next score: sum, mean, largest',
          press: () => choose(scoreRules[(scoreRules.indexOf(rule) + 1) % scoreRules.length]!),
        },
      },
      draw(theme) {
        plot.clear();
        markChoice(scores, rule);
        overlap.setAttribute('aria-pressed', String(instead === 'overlap'));
        ranks.setAttribute('aria-pressed', String(instead === 'ranks'));
        controls.hidden = surface.width < 420;
        list.style.setProperty('--kvlab-heavy', theme.tones.heavy);
        const run = shownRun(store);
        const drawing = run && encodeHeavy(run, rule);
        list.hidden = !drawing;
        if (!run || !drawing) {
          plot.areas([], theme);
          scales = mosaic = undefined;
          return describeHeavy(run, 0, drawing, undefined, undefined, undefined, false);
        }
        const step = shownStep(store, run);
        const head = headOf(store, run);
        const row = head.layer * run.info.model.kvHeads + head.kvHead;
        const curve = concentration(drawing, row);
        const { position } = selected(store);
        const wide = surface.width >= 420;
        let left = wide ? surface.width - 250 : 0;
        const changes =
          wide && instead === 'ranks'
            ? rankChanges(run, head, store.clock.mode === 'range' ? shownRange(store, run) : [0, step])
            : undefined;
        if (wide && instead === 'ranks') {
          plot.areas([], theme);
          scales = undefined;
          left = surface.width - 290;
          mosaic = { x: 0, y: 24, width: left - 12, height: surface.height - 28 };
          ends = drawSlopes(surface, theme, run, changes, mosaic, position);
        } else if (wide) {
          const area =
            instead === 'overlap' ? overlapArea(run, drawing, surface, left) : mosaicArea(run, drawing, surface, left);
          scales = plot.areas([area], theme)[0]!;
          mosaic = area.rect;
          left = Math.max(mosaic.x + mosaic.width + 36, surface.width - 420);
          if (instead === 'overlap') drawOverlap(surface, theme, drawing, area.rect, row);
          else drawMosaic(surface, theme, run, drawing, area.rect, scales, axes.zoomed(0).x, store, position, row);
        } else {
          plot.areas([], theme);
          scales = mosaic = undefined;
        }
        const curveHeight = Math.max(44, Math.min(104, surface.height * 0.3));
        const curveRect: Rect = { x: left + 36, y: 24, width: surface.width - left - 44, height: curveHeight };
        drawCurves(surface, theme, drawing, curve, curveRect);
        const listTop = curveRect.y + curveRect.height + 26;
        list.style.inset = `${listTop}px 0 0 ${left + 4}px`;
        const count = Math.max(1, Math.min(12, Math.floor((surface.height - listTop - 20) / 18)));
        const shown =
          position !== undefined && !curve.order.slice(0, count).includes(position) && position < drawing.tokens;
        const order = shown ? [...curve.order.slice(0, count - 1), position] : curve.order;
        fillTopList(
          list,
          run,
          `Top tokens, layer ${head.layer} kv head ${head.kvHead}`,
          topTokens(run, drawing, row, order, count, step),
          position,
        );
        const said = describeHeavy(run, step, drawing, head, curve, position, wide);
        if (wide && instead === 'ranks')
          return {
            ...said,
            subtitle: 'rank by sum over queries and group',
            caption: aboutRanks(run, changes, position),
            legend: [
              { kind: 'line', label: 'rises', colour: theme.tones.heavy },
              { kind: 'line', label: 'falls', colour: theme.ink3 },
            ],
            ...(changes && { table: () => rankTable(run, changes), data: () => rankRows(run, changes) }),
          };
        if (!(wide && instead === 'overlap')) return said;
        return {
          ...said,
          caption: aboutOverlap(run, drawing, row),
          legend: [{ kind: 'ramp', label: 'shared of both', low: '0', high: '1' }],
        };
      },
      step(columns, rows) {
        const run = shownRun(store);
        if (!run) return undefined;
        const { layers, kvHeads } = run.info.model;
        const { layer, kvHead } = headOf(store, run);
        const row = Math.max(0, Math.min(layers * kvHeads - 1, layer * kvHeads + kvHead + rows));
        const position = Math.max(0, Math.min(run.texts.length - 1, (selected(store).position ?? 0) + columns));
        return { position, layer: Math.floor(row / kvHeads), kvHead: row % kvHeads, queryHead: undefined };
      },
      dispose: () => plot.dispose(),
    };
  },
};

function mosaicArea(run: Run, drawing: HeavyDrawing, surface: Surface, right: number): PlotArea {
  const tokens = run.info.promptLength + Math.max(1, run.state === 'running' ? run.info.maxTokens : run.step);
  const room = { width: right - 28 - 26, height: surface.height - 36 - 34 };
  const columns = fitCells(tokens, room.width * surface.density);
  const rows = fitCells(drawing.rows, room.height * surface.density, 1);
  const layers = run.info.model.layers;
  const positions = columns.count * columns.bin;
  return {
    rect: {
      x: 28,
      y: 36,
      width: (columns.count * columns.pixels) / surface.density,
      height: (drawing.rows * rows.pixels) / surface.density,
    },
    x: {
      range: [0, positions],
      ticks: roundTicks([0, tokens], 4).map((t) => t + 0.5),
      labels: roundTicks([0, tokens], 4).map(String),
      title: 'token position',
      line: true,
    },
    y: {
      range: [layers, 0],
      ticks: indexTicks(layers, 5).map((t) => t + 0.5),
      labels: indexTicks(layers, 5).map(String),
    },
    zoom: 'x',
  };
}

function drawMosaic(
  surface: Surface,
  theme: Theme,
  run: Run,
  drawing: HeavyDrawing,
  rect: Rect,
  { x, y }: { x: Scale; y: Scale },
  zoomed: readonly [number, number] | undefined,
  store: Store,
  position: number | undefined,
  row: number,
): void {
  const from = Math.max(0, Math.floor(zoomed?.[0] ?? 0));
  const span = (zoomed?.[1] ?? x.invert(rect.x + rect.width)) - from;
  const { bin } = fitCells(span, rect.width * surface.density);
  const columns = Math.ceil(Math.min(span, drawing.tokens - from) / bin);
  if (columns < 1) return;
  const cells = binScores(drawing, from, columns, bin);
  const words = Uint32Array.from(cells, (v) => theme.ramp[rampIndex(v)]!);
  const place = { x: x(from), y: rect.y, width: x(from + columns * bin) - x(from), height: rect.height };
  clipped(surface, rect, () => paintCells(surface, place, columns, drawing.rows, words));
  drawLine(
    surface,
    [
      [rect.x - 0.5, rect.y],
      [rect.x - 0.5, rect.y + rect.height],
    ],
    { colour: theme.rule2 },
  );

  const right = rect.x + rect.width;
  const centre = (p: number) => x(p + 0.5);
  const inside = position !== undefined && x(position) >= rect.x - 1 && x(position + 1) <= right + 1;
  markTokens(surface, theme, rect, x, lockedPositions(store));
  const flag =
    inside &&
    markToken(surface, theme, rect, x, position, store.locked.position === position, {
      text: flagWords(position, run.texts[position]?.text),
      y: rect.y - 10,
      between: [rect.x, right],
    });
  const sums = new Float32Array(drawing.tokens);
  for (let i = 0; i < drawing.scores.length; i++) sums[i % drawing.tokens]! += drawing.scores[i]!;
  const candidates = run.texts
    .map((token, p) => ({ position: p, text: token.text, weight: sums[p] ?? 0 }))
    .filter((c) => !run.texts[c.position]!.special && !run.texts[c.position]!.bytes && /\p{L}{2}/u.test(c.text));
  for (const word of placeWords(
    candidates,
    centre,
    (text) => textWidth(surface, theme, text),
    [rect.x, right],
    flag ? [flag] : [],
  )) {
    drawLine(
      surface,
      [
        [centre(word.position), rect.y - (word.tier === 0 ? 4 : 17)],
        [centre(word.position), rect.y - 1],
      ],
      { colour: theme.ink3 },
    );
    drawText(surface, theme, word.text, word.centre, rect.y - (word.tier === 0 ? 10 : 24), {
      align: 'center',
      colour: theme.ink,
    });
  }
  const height = rect.height / drawing.rows;
  drawLock(surface, theme, { x: rect.x, y: y(row / run.info.model.kvHeads), width: rect.width, height }, 'row');
}

function drawCurves(surface: Surface, theme: Theme, drawing: HeavyDrawing, curve: Concentration, rect: Rect): void {
  const x = linearScale([0, 1], [rect.x, rect.x + rect.width]);
  const y = linearScale([0, 1], [rect.y + rect.height, rect.y]);
  drawText(surface, theme, 'Share of attention on the top tokens', rect.x - 32, rect.y - 16, {
    bold: true,
    colour: theme.ink,
  });
  for (const tick of [0, 0.5, 1]) {
    drawLine(
      surface,
      [
        [rect.x, y(tick)],
        [rect.x + rect.width, y(tick)],
      ],
      { colour: theme.rule },
    );
    drawText(surface, theme, percent(tick).replace(' ', ''), rect.x - 6, y(tick), {
      align: 'right',
      colour: theme.ink3,
    });
  }
  const points = (shares: Float64Array) => {
    const every = Math.max(1, Math.floor(shares.length / 120));
    const line: [number, number][] = [[x(0), y(0)]];
    for (let i = 0; i < shares.length; i += every) line.push([x((i + 1) / shares.length), y(shares[i]!)]);
    line.push([x(1), y(1)]);
    return line;
  };
  const third = Math.max(3, Math.ceil(drawing.rows / 30));
  for (let row = 1; row < drawing.rows; row += third)
    drawLine(surface, points(shareCurve(drawing, row)), { colour: theme.ink3, opacity: 0.28 });
  drawSeries(surface, theme, points(curve.shares), theme.tones.heavy);
  const { context } = surface;
  for (const [part, below] of [
    [0.05, 18],
    [0.2, 14],
  ] as const) {
    const share = shareAt(curve, part);
    context.beginPath();
    context.arc(x(part), y(share), 3.5, 0, 7);
    context.fillStyle = theme.tones.heavy;
    context.fill();
    context.strokeStyle = theme.paper;
    context.lineWidth = 1;
    context.stroke();
    const label = `${Math.round(part * 100)} % hold ${percent(share)}`;
    drawText(
      surface,
      theme,
      label,
      x(part) + 8,
      Math.min(rect.y + rect.height - 6, y(share) + below + (part === 0.05 ? 8 : 0)),
      { colour: theme.ink, halo: true },
    );
  }
  const small = { colour: theme.ink3 } as const;
  drawText(surface, theme, '5%', x(0.05), rect.y + rect.height + 9, { ...small, align: 'center' });
  drawText(surface, theme, '20%', x(0.2), rect.y + rect.height + 9, { ...small, align: 'center' });
  drawText(surface, theme, `all ${drawing.tokens} tokens`, rect.x + rect.width, rect.y + rect.height + 9, {
    ...small,
    align: 'right',
  });
}
