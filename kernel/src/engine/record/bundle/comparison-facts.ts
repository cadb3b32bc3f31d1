/** What a comparison came to, in numbers: the source of its text, its table and the words of its picture. */
import type { Columns, FrameHeader, RunInfo, TokenText } from '../frame.ts';
import { binaryBytes, counted, percent } from './numbers.ts';
import { type Fact, shortened } from './text.ts';

export interface LaneFacts {
  method: string;
  setting: string;
  /** Means over the judged tokens; NaN where none was judged. */
  kl: number;
  agreement: number;
  perplexity: number;
  /** Bytes after the last judged token. */
  held: number;
  /** What it wrote by itself, and the index of the first token that is not the full cache's; undefined in forced mode. */
  free?: { text: string; divergesAt: number | undefined };
}
export interface ComparisonFacts {
  info: RunInfo;
  lanes: LaneFacts[];
  judged: number;
  /** Tokens that all were fed after the prompt. */
  reference: string;
}

export function comparisonFacts(
  { texts }: Pick<FrameHeader, 'texts'>,
  info: RunInfo,
  columns: Columns,
): ComparisonFacts {
  const { lanes } = info.comparison!;
  const P = lanes.length;
  const judged = columns['compare.kl']?.shape[0] ?? 0;
  const meanOf = (name: string, p: number) => {
    let sum = 0;
    for (let row = 0; row < judged; row++) sum += columns[name]!.data[row * P + p]!;
    return sum / judged;
  };
  const written = writtenBy(columns, texts);
  const full = written.get(0);
  const fed = written.get(255)?.texts.slice(info.promptLength) ?? [];
  return {
    info,
    judged,
    reference: fed.join(''),
    lanes: lanes.map(({ method, setting }, p) => {
      const own = written.get(p);
      return {
        method,
        setting,
        kl: judged ? meanOf('compare.kl', p) : Number.NaN,
        agreement: judged ? meanOf('compare.top1', p) : Number.NaN,
        perplexity: judged ? Math.exp(meanOf('compare.nll', p)) : Number.NaN,
        held: columns['compare.held']?.data[(judged - 1) * P + p] ?? Number.NaN,
        ...(own && full && { free: { text: own.texts.join(''), divergesAt: firstDifference(full.ids, own.ids) } }),
      };
    }),
  };
}

/** Ids and texts by lane, 255 for what all were fed. */
function writtenBy(columns: Columns, texts: readonly TokenText[]): Map<number, { ids: number[]; texts: string[] }> {
  const by = new Map<number, { ids: number[]; texts: string[] }>();
  const lane = columns['token.lane']?.data;
  texts.forEach(({ text, special }, row) => {
    const key = lane?.[row] ?? 255;
    const list = by.get(key) ?? { ids: [], texts: [] };
    list.ids.push(columns['token.id']?.data[row] ?? row);
    list.texts.push(special && key !== 255 ? '' : text);
    by.set(key, list);
  });
  return by;
}

function firstDifference(full: readonly number[], own: readonly number[]): number | undefined {
  const at = full.findIndex((id, i) => id !== own[i]);
  if (at >= 0) return at;
  return own.length > full.length ? full.length : undefined;
}

/** Name and setting of a lane. */
export const laneName = ({ method, setting }: Pick<LaneFacts, 'method' | 'setting'>): string =>
  setting ? `${method}, ${setting}` : method === 'full' ? 'full cache' : method;

/** One fact for each lane, and how to repeat the comparison. */
export function comparisonRows({ info, lanes, judged, reference }: ComparisonFacts, leftOut: string): Fact[] {
  const { model, comparison } = info;
  const full = lanes[0]!;
  const rows: Fact[] = [
    { name: 'model', value: `${model.name} on ${info.device}` },
    {
      name: 'compared',
      value: `${comparison!.mode}, prompt of ${counted(info.promptLength, 'token')}${judged ? `, judged on ${counted(judged, 'token')}` : ''}, ${comparison!.sampler}, seed ${info.seed}; KL in nats`,
    },
  ];
  for (const lane of lanes) {
    const share = lane === full || !(full.held > 0) ? '' : `, ${percent(lane.held / full.held)} of the full cache`;
    const forced = judged
      ? `mean KL ${lane.kl.toFixed(3)}, same top token ${percent(lane.agreement)}, perplexity ${lane.perplexity.toFixed(2)}, held ${binaryBytes(lane.held)}${share}`
      : '';
    rows.push({ name: laneName(lane), value: [forced, divergence(lane, lane === full)].filter(Boolean).join('; ') });
  }
  if (reference) rows.push({ name: 'judged on', value: shortened(reference) });
  for (const lane of lanes)
    if (lane.free) rows.push({ name: `${lane.method} writes`, value: shortened(lane.free.text) });
  if (leftOut) rows.push({ name: 'left out of the panels', value: leftOut });
  return rows;
}

function divergence({ free }: LaneFacts, isFull: boolean): string {
  if (!free || isFull) return '';
  return free.divergesAt === undefined
    ? "writes the full cache's text"
    : `by itself leaves the full cache's text at token ${free.divergesAt + 1}`;
}

/** One sentence: which method came nearest. */
export function comparisonSentence({ lanes, judged }: ComparisonFacts): string {
  const [nearest] = lanes.slice(1).sort((a, b) => a.kl - b.kl);
  if (!judged || !nearest) {
    const [longest] = lanes.slice(1).sort((a, b) => (b.free?.divergesAt ?? 1e9) - (a.free?.divergesAt ?? 1e9));
    const at = longest?.free?.divergesAt;
    return longest
      ? `${laneName(longest)} follows the full cache longest: ${at === undefined ? 'to the end' : `for ${counted(at, 'token')}`}.`
      : 'Nothing was compared yet.';
  }
  return `${laneName(nearest)} stays nearest to the full cache: mean KL ${nearest.kl.toFixed(3)}, same top token ${percent(nearest.agreement)}, held ${binaryBytes(nearest.held)}.`;
}
