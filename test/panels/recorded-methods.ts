/** How entries move in made-up runs: H2O, StreamingLLM, KIVI, Quest and the full cache, in their simplest form. */
import { byteParts, type RunInfo, type SlotName } from 'kvlab/frame';

export type RecordedMethod = 'full' | 'h2o' | 'streamingLLM' | 'kivi' | 'quest';

export interface Move {
  head: number;
  position: number;
  /** 0 keys, 1 values, 2 both. */
  part: number;
  from: number;
  to: number;
  score: number;
  rank: number;
}

export interface EntryRules {
  method: RunInfo['method'];
  zones: string[];
  /** Moves entries of one head after a step and returns what it did. */
  after(step: number, seen: number, head: number, score: Float32Array, keys: Uint8Array, values: Uint8Array): Move[];
  /** Bytes by zone and part. */
  bytes(zones: { keys: Uint8Array; values: Uint8Array }, stride: number, seen: number, heads: number): Float64Array;
  claimed(seen: number, heads: number): number;
  budget(heads: number): number;
}

const gone = 255;
const rowBytes = 64 * 4;

export function entryRules(name: RecordedMethod, promptLength: number): EntryRules {
  if (name === 'kivi') return kivi();
  if (name === 'full') return full();
  if (name === 'quest') return quest();
  const half = Math.round(promptLength * 0.1);
  return evicting(name, name === 'h2o' ? half : 4, name === 'h2o' ? half : 40);
}

function evicting(name: 'h2o' | 'streamingLLM', kept: number, recent: number): EntryRules {
  const zones = ['fresh', 'recent', name === 'h2o' ? 'heavy' : 'sinks'];
  return {
    zones,
    method: {
      name: name === 'h2o' ? 'H2O' : 'StreamingLLM',
      setting:
        name === 'h2o'
          ? `keep 20 %, ${kept + recent} entries a head`
          : `${kept} sinks and ${recent} recent entries a head`,
      paper: name === 'h2o' ? 'arXiv:2306.14048' : 'arXiv:2309.17453',
      slots: slots({
        score: name === 'h2o' ? 'accumulated attention' : '',
        allocate: 'equal per head',
        select: name === 'h2o' ? `recent ${recent} + heavy ${kept}` : `sinks ${kept} + recent ${recent}`,
        attend: name === 'h2o' ? 'rows, absolute' : 'rows, contiguous',
      }),
      quantizes: false,
      departures: [],
    },
    after(_step, seen, head, score, keys, values) {
      const moves: Move[] = [];
      const held = [...keys.subarray(0, seen).keys()].filter((p) => keys[p] !== gone);
      const ranked = [...held].sort((a, b) => score[b]! - score[a]!);
      const rank = new Map(ranked.map((p, i) => [p, i]));
      const candidates = name === 'h2o' ? ranked : held;
      const chosen = new Set(candidates.filter((p) => p < seen - recent).slice(0, kept));
      for (const position of held) {
        const to = position >= seen - recent ? 1 : chosen.has(position) ? 2 : gone;
        const from = keys[position]!;
        if (from === to) continue;
        const scored = name === 'h2o';
        moves.push({
          head,
          position,
          part: 2,
          from,
          to,
          score: scored ? score[position]! : Number.NaN,
          rank: scored ? rank.get(position)! : -1,
        });
        keys[position] = values[position] = to;
      }
      return moves;
    },
    bytes: (state, stride, seen, heads) =>
      payload(state, stride, seen, heads, zones.length, (zone) => (zone === 1 ? 0.08 : 0.02)),
    claimed: (seen, heads) => Math.min(seen, kept + recent) * heads * rowBytes,
    budget: (heads) => (kept + recent) * heads * rowBytes * 2,
  };
}

function kivi(): EntryRules {
  const zones = ['residual', 'body'];
  const residual = 32;
  return {
    zones,
    method: {
      name: 'KIVI',
      setting: '2 bits, groups of 32, residual 32',
      paper: 'arXiv:2402.02750',
      slots: slots({ select: 'residual 32 + body', encode: 'K by channel, V by token, 2 bits' }),
      quantizes: true,
      departures: ['exact rows are stored in f32'],
    },
    after(_step, seen, head, _score, keys, values) {
      const moves: Move[] = [];
      const body = { keys: Math.floor(seen / residual) * residual, values: Math.max(0, seen - residual) };
      for (let position = 0; position < seen; position++)
        for (const [part, table, until] of [
          [0, keys, body.keys],
          [1, values, body.values],
        ] as const)
          if (position < until && table[position] === 0) {
            table[position] = 1;
            moves.push({ head, position, part, from: 0, to: 1, score: Number.NaN, rank: -1 });
          }
      return moves;
    },
    bytes(state, stride, seen, heads) {
      const held = payload(state, stride, seen, heads, 2, (zone) => (zone === 0 ? 0.1 : 0));
      const entries = held[5]! / rowBytes;
      held[5]! /= 16;
      held[6]! /= 16;
      held[7] = entries * 2 * 16;
      return held;
    },
    claimed: (seen, heads) => seen * heads * 40 + residual * heads * rowBytes,
    budget: () => Number.NaN,
  };
}

function full(): EntryRules {
  const zones = ['fresh'];
  return {
    zones,
    method: {
      name: 'full',
      setting: 'every entry, exact',
      paper: '',
      slots: slots({}),
      quantizes: false,
      departures: [],
    },
    after: () => [],
    bytes: (state, stride, seen, heads) => payload(state, stride, seen, heads, 1, () => 0.05),
    claimed: (seen, heads) => seen * heads * rowBytes,
    budget: () => Number.NaN,
  };
}

/** Holds what the full cache holds; `recorded-reads.ts` says what it reads. */
function quest(): EntryRules {
  const rules = full();
  const slots = rules.method.slots.map((own) =>
    own.slot === 'fetch' ? { ...own, text: 'pages of 16, 256 entries', neutral: false } : own,
  );
  const method = { ...rules.method, name: 'Quest', setting: 'pages of 16, 256 entries a head', slots };
  return { ...rules, method };
}

function payload(
  state: { keys: Uint8Array; values: Uint8Array },
  stride: number,
  seen: number,
  heads: number,
  zoneCount: number,
  slack: (zone: number) => number,
): Float64Array {
  const held = new Float64Array(zoneCount * byteParts.length);
  for (let head = 0; head < heads; head++)
    for (let p = 0; p < seen; p++) {
      const [key, value] = [state.keys[head * stride + p]!, state.values[head * stride + p]!];
      if (key !== gone) held[key * byteParts.length]! += rowBytes;
      if (value !== gone) held[value * byteParts.length + 1]! += rowBytes;
    }
  for (let zone = 0; zone < zoneCount; zone++) {
    const at = zone * byteParts.length;
    held[at + 4] = Math.round((held[at]! + held[at + 1]!) * slack(zone));
    held[at + 3] = (held[at]! / rowBytes) * 4;
  }
  return held;
}

function slots(filled: Partial<Record<SlotName, string>>): RunInfo['method']['slots'] {
  const neutral: Record<SlotName, string> = {
    score: 'nothing',
    allocate: 'everything',
    select: 'all recent',
    compensate: 'nothing',
    encode: 'exact',
    place: 'one tier',
    fetch: 'all',
    attend: 'rows, absolute',
  };
  return (Object.keys(neutral) as SlotName[]).map((slot) => ({
    slot,
    text: filled[slot] || neutral[slot],
    neutral: !filled[slot] && slot !== 'attend',
  }));
}
