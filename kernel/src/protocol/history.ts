/** What was run in this session, for `history_request`. Kept in memory only. */
import type { Content } from './messages.ts';

/** Session, line, and source; with output asked for, source and its text. */
export type HistoryRow = [session: number, line: number, source: string | [string, string | null]];

export interface History {
  add(line: number, source: string): void;
  setOutput(line: number, text: string): void;
  answer(request: Content): HistoryRow[];
}

/** Turns a glob with `*`, `?` and `[…]` into a pattern for the whole text. */
function glob(pattern: string): RegExp {
  const body = pattern
    .replace(/[\\^$+.()|{}]/g, '\\$&')
    .replace(/\*/g, '[^]*')
    .replace(/\?/g, '[^]');
  return new RegExp(`^${body}$`);
}

export function createHistory(): History {
  const entries: { line: number; source: string; output: string | null }[] = [];

  function select({ hist_access_type: access, n, start, stop, pattern, unique, session }: Content) {
    // Session 0 is the running one; negative numbers and others are sessions that this kernel does not have.
    if (session !== undefined && session !== 0 && access === 'range') return [];
    if (access === 'range')
      return entries.filter(
        ({ line }) => line >= Number(start ?? 0) && (typeof stop !== 'number' || line < (stop as number)),
      );
    let found = entries;
    if (access === 'search') {
      const matcher = glob(String(pattern ?? '*'));
      found = entries.filter(({ source }) => matcher.test(source));
      if (unique) {
        const newest = new Map(found.map((entry) => [entry.source, entry]));
        found = found.filter((entry) => newest.get(entry.source) === entry);
      }
    }
    return typeof n === 'number' ? found.slice(Math.max(0, found.length - n)) : found;
  }

  return {
    add: (line, source) => entries.push({ line, source, output: null }),
    setOutput(line, text) {
      const entry = entries.findLast((one) => one.line === line);
      if (entry) entry.output = text;
    },
    answer: (request) =>
      select(request).map(({ line, source, output }) => [0, line, request.output ? [source, output] : source]),
  };
}
