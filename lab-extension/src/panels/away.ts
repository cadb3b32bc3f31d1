/** What a panel adds while its picture is not live: the kernel cannot be reached, or is not the one that made the run. */
import type { Store } from '../store/store.ts';
import type { Said } from './words.ts';

/** Why the picture is old, in a few words; empty while it is live or saved. */
export function awayWords({ away, ended, shown }: Store): string {
  return away || (shown !== undefined && ended.has(shown) ? 'earlier kernel' : '');
}

/** Adds to what a panel says why it is not live. */
export function saidWhileAway(said: Said, store: Store): Said {
  const away = awayWords(store);
  if (!away) return said;
  return {
    ...said,
    subtitle: said.subtitle ? `${away} · ${said.subtitle}` : away,
    missing: said.missing && {
      ...said.missing,
      text: store.stale ? `${sentence(store.stale)} ${said.missing.text}` : said.missing.text,
    },
  };
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? '' : '.'}`;
}
