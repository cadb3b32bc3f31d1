/** Token strip: the text itself, as text nodes. */
import { inkOnRamp, rampIndex } from '../../draw/theme.ts';
import {
  lockedPositions,
  lockOrAdd,
  pointedTokens,
  previewSelection,
  selected,
  shownRange,
  shownRun,
} from '../../store/store.ts';
import type { PanelKind } from '../panel.ts';
import { describeTokenStrip, tokenLabel } from './describe.ts';
import {
  encodeTokenStrip,
  type Granularity,
  granularities,
  holdingShare,
  plainStrip,
  type StripMeasure,
  type StripToken,
  type StripView,
  stripMeasures,
} from './encode.ts';

export const tokenStrip: PanelKind = {
  id: 'token-strip',
  title: 'Token strip',
  restMs: 60,
  mount(host, { store, redraw }) {
    const text = document.createElement('div');
    text.className = 'kvlab-strip';
    text.tabIndex = 0;
    text.setAttribute('role', 'group');
    text.setAttribute('aria-label', 'Tokens');
    host.append(text);
    let spans: HTMLSpanElement[] = [];
    let looks: string[] = [];
    let shownId: string | undefined;
    let tokens: StripToken[] = [];
    let marked: HTMLSpanElement[] = [];
    let view: StripView = { ...plainStrip };
    let pointerInside = false;
    let shownPosition: number | undefined;
    const change = (part: Partial<StripView>) => {
      view = { ...view, ...part };
      redraw();
    };
    const measure = choiceOf('Shade by', stripMeasures, (value) => change({ measure: value as StripMeasure }));
    const granularity = choiceOf('Mean by', granularities, (value) => change({ granularity: value as Granularity }));
    const controls = document.createElement('span');
    controls.className = 'kvlab-choices';
    controls.append(measure, granularity);

    const positionOf = (event: Event): number | undefined => {
      const value = (event.target as HTMLElement).dataset?.position;
      return value === undefined ? undefined : Number(value);
    };
    text.addEventListener('pointerover', (event) => {
      const position = positionOf(event);
      previewSelection(store, position === undefined ? {} : { position });
    });
    text.addEventListener('pointerenter', () => {
      pointerInside = true;
    });
    text.addEventListener('pointerleave', () => {
      pointerInside = false;
      previewSelection(store, {});
    });
    text.addEventListener('click', (event) => {
      const position = positionOf(event);
      if (position !== undefined) lockOrAdd(store, { position }, event);
    });
    // Shift would select the text instead.
    text.addEventListener('mousedown', (event) => {
      if (event.shiftKey) event.preventDefault();
    });

    return {
      controls,
      readable: true,
      keys: {
        g: {
          does: 'token, word, sentence, line',
          press: () =>
            change({
              granularity: granularities[(granularities.indexOf(view.granularity) + 1) % granularities.length]!,
            }),
        },
        m: {
          does: 'next measure: surprise, entropy, attention received, bits',
          press: () =>
            change({ measure: stripMeasures[(stripMeasures.indexOf(view.measure) + 1) % stripMeasures.length]! }),
        },
      },
      draw(theme) {
        controls.hidden = host.clientWidth < 520;
        measure.value = view.measure;
        granularity.value = view.granularity;
        const run = shownRun(store);
        if (store.shown !== shownId || (run && spans.length > run.texts.length)) {
          text.replaceChildren();
          spans = [];
          looks = [];
          shownId = store.shown;
        }
        if (!run) return describeTokenStrip(undefined, [], [], theme.ink);
        const range = shownRange(store, run);
        tokens = encodeTokenStrip(run, range[1], view);
        const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
        for (const token of tokens) {
          const { position } = token;
          let span = spans[position];
          if (!span) {
            span = document.createElement('span');
            span.textContent = token.shown;
            span.className = token.special ? 'kvlab-token kvlab-special' : 'kvlab-token';
            if (position === run.info.promptLength) span.classList.add('kvlab-first-generated');
            span.dataset.position = String(position);
            spans.push(span);
            text.append(span);
          }
          span.hidden = false;
          const ground = rampIndex(token.ground);
          const held = Math.round(holdingShare(run, token) * 100);
          const look = `${ground} ${held} ${theme.name} ${theme.paper}`;
          if (looks[position] === look) continue;
          looks[position] = look;
          span.style.setProperty('--kvlab-ground', ground > 0 ? theme.rampCss[ground]! : 'transparent');
          span.style.setProperty('--kvlab-token-ink', inkOnRamp(theme, ground));
          span.style.setProperty('--kvlab-held', `${held}%`);
          span.style.setProperty('--kvlab-held-ink', theme.ink2);
        }
        for (let i = tokens.length; i < spans.length; i++) spans[i]!.hidden = true;
        const { position } = selected(store);
        for (const span of marked) span.classList.remove('kvlab-locked', 'kvlab-hovered');
        const locked = lockedPositions(store);
        const pointed = position === undefined ? undefined : spans[position];
        marked = locked.flatMap((own) => spans[own] ?? []);
        for (const span of marked) span.classList.add('kvlab-locked');
        if (pointed && !marked.includes(pointed)) {
          pointed.classList.add('kvlab-hovered');
          marked.push(pointed);
        }
        // What another panel or a cell points at comes into view; under the reader's own pointer nothing moves.
        if (pointed && position !== shownPosition && !pointerInside) scrollInto(text, pointed);
        else if (!pointed && atEnd && store.clock.mode === 'live' && run.state === 'running')
          text.scrollTop = text.scrollHeight;
        shownPosition = position;
        return describeTokenStrip(run, tokens, pointedTokens(store), theme.ink2, view, range);
      },
      step(columns, rows) {
        const run = shownRun(store);
        if (!run || !tokens.length) return undefined;
        const from = selected(store).position ?? -1;
        const to = Math.max(0, Math.min(tokens.length - 1, from + columns + rows * 12));
        spans[to]?.setAttribute('aria-label', tokenLabel(run, tokens[to]!));
        return { position: to };
      },
    };
  },
};

/** Scrolls the strip alone, never the page around it. */
function scrollInto(strip: HTMLElement, token: HTMLElement): void {
  const [box, own] = [strip.getBoundingClientRect(), token.getBoundingClientRect()];
  if (own.top < box.top) strip.scrollTop += own.top - box.top - 4;
  else if (own.bottom > box.bottom) strip.scrollTop += own.bottom - box.bottom + 4;
}

function choiceOf(label: string, values: readonly string[], choose: (value: string) => void): HTMLSelectElement {
  const select = document.createElement('select');
  select.setAttribute('aria-label', label);
  for (const value of values) select.add(new Option(value, value));
  select.addEventListener('change', () => choose(select.value));
  return select;
}
