/** Token strip: the text itself, as text nodes. */
import { inkOnRamp, rampIndex } from '../../draw/theme.ts';
import { lockSelection, previewSelection, selected, shownRun, shownStep } from '../../store/store.ts';
import type { PanelKind } from '../panel.ts';
import { describeTokenStrip, tokenLabel } from './describe.ts';
import { encodeTokenStrip, holdingShare, mostSurprise, type StripToken } from './encode.ts';

export const tokenStrip: PanelKind = {
  id: 'token-strip',
  title: 'Token strip',
  restMs: 60,
  mount(host, { store }) {
    const text = document.createElement('div');
    text.className = 'kvlab-strip';
    host.append(text);
    let spans: HTMLSpanElement[] = [];
    let looks: string[] = [];
    let shownId: string | undefined;
    let tokens: StripToken[] = [];
    let marked: HTMLSpanElement | undefined;

    const positionOf = (event: Event): number | undefined => {
      const value = (event.target as HTMLElement).dataset?.position;
      return value === undefined ? undefined : Number(value);
    };
    text.addEventListener('pointerover', (event) => {
      const position = positionOf(event);
      previewSelection(store, position === undefined ? {} : { position });
    });
    text.addEventListener('pointerleave', () => previewSelection(store, {}));
    text.addEventListener('click', (event) => {
      const position = positionOf(event);
      if (position !== undefined) lockSelection(store, { position });
    });

    return {
      draw(theme) {
        const run = shownRun(store);
        if (store.shown !== shownId || (run && spans.length > run.texts.length)) {
          text.replaceChildren();
          spans = [];
          looks = [];
          shownId = store.shown;
        }
        if (!run) return describeTokenStrip(undefined, [], undefined, theme.ink);
        tokens = encodeTokenStrip(run, shownStep(store, run));
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
          const ground = rampIndex(token.surprise / mostSurprise);
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
        marked?.classList.remove('kvlab-locked', 'kvlab-hovered');
        marked = position === undefined ? undefined : spans[position];
        marked?.classList.add(store.locked.position === position ? 'kvlab-locked' : 'kvlab-hovered');
        if (marked && document.activeElement === host) marked.scrollIntoView({ block: 'nearest' });
        else if (atEnd && store.clock.mode === 'live' && run.state === 'running') text.scrollTop = text.scrollHeight;
        return describeTokenStrip(run, tokens, position, theme.ink2);
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
