/** Why a head holds a token or does not: the event that decided, and the operator that made it. */
import { eventKinds } from 'kvlab/frame';
import { latestColumn, logColumn, type Run } from '../../store/run.ts';
import { gone } from '../../store/survival.ts';

export interface Why {
  position: number;
  layer: number;
  kvHead: number;
  /** Zone at the step, or undefined where the head does not hold the token. */
  zone: string | undefined;
  /** The last event of this entry up to the step, or undefined where nothing has moved it yet. */
  event:
    | {
        step: number;
        kind: string;
        from: string;
        to: string;
        /** What decided, NaN where the rule reads positions only. */
        score: number;
        /** 0 is the highest; -1 where there is no score. */
        rank: number;
        /** Entries that the head held before the step of the event. */
        among: number;
        /** Tokens written between this one and the event. */
        age: number;
        /** The entry that took it in, with which factor its rows became part of it (NaN where that was not recorded), and when
         *  that entry left itself. */
        into: { position: number; weight: number; leftAt: number | undefined } | undefined;
      }
    | undefined;
  /** Attention that the token has received from this head's group so far; NaN where it is not recorded. */
  received: number;
  /** Operators that decide, with their files: the score, and the rule that selects. */
  rules: { text: string; file: string | undefined }[];
}

export function whyOf(run: Run, step: number, layer: number, kvHead: number, position: number): Why | undefined {
  const born = logColumn(run, 'token.step')?.data[position];
  if (born === undefined || born > step) return undefined;
  const column = (
    name: 'step' | 'layer' | 'kvHead' | 'position' | 'kind' | 'from' | 'to' | 'into' | 'weight' | 'score' | 'rank',
  ) => logColumn(run, `event.${name}`)?.data;
  const [at, layers, heads, positions, kinds] = [
    column('step'),
    column('layer'),
    column('kvHead'),
    column('position'),
    column('kind'),
  ];
  const rows = logColumn(run, 'event.step')?.rows ?? 0;
  const read = eventKinds.indexOf('read');
  let found = -1;
  for (let row = 0; row < rows && at![row]! <= step; row++)
    if (positions![row] === position && layers![row] === layer && heads![row] === kvHead && kinds![row] !== read)
      found = row;
  const zone = (code: number | undefined) =>
    code === undefined || code === gone ? 'evicted' : (run.info.zones[code] ?? String(code));
  const to = found < 0 ? undefined : column('to')![found]!;
  const into = found < 0 ? -1 : (column('into')?.[found] ?? -1);
  const scores = latestColumn(run, 'heavy.score');
  const tokens = scores?.shape[2] ?? 0;
  return {
    position,
    layer,
    kvHead,
    zone: found < 0 ? 'fresh' : to === gone ? undefined : zone(to),
    event:
      found < 0
        ? undefined
        : {
            step: at![found]!,
            kind: eventKinds[kinds![found]!] ?? '',
            from: zone(column('from')![found]),
            to: zone(to),
            score: column('score')?.[found] ?? Number.NaN,
            rank: column('rank')?.[found] ?? -1,
            among: heldBefore(run, at![found]!, layer, kvHead),
            age: seenBefore(run, at![found]!) - 1 - position,
            into:
              into < 0
                ? undefined
                : {
                    position: into,
                    weight: column('weight')?.[found] ?? Number.NaN,
                    leftAt: leftAt(run, step, layer, kvHead, into),
                  },
          },
    received: scores?.data[(layer * run.info.model.kvHeads + kvHead) * tokens + position] ?? Number.NaN,
    rules: run.info.method.slots
      .filter(({ slot, neutral }) => !neutral && (slot === 'score' || slot === 'select' || slot === 'compensate'))
      .map(({ text, file }) => ({ text, file })),
  };
}

/** Step at which a head let an entry go, up to a step; undefined while it holds it. */
function leftAt(run: Run, step: number, layer: number, kvHead: number, position: number): number | undefined {
  const taker = whyOf(run, step, layer, kvHead, position);
  return taker && taker.zone === undefined ? taker.event?.step : undefined;
}

/** Entries that a head held when a step's keep line began: all tokens written until then that no earlier event took. */
function heldBefore(run: Run, step: number, layer: number, kvHead: number): number {
  const event = (name: 'step' | 'layer' | 'kvHead' | 'position' | 'to') => logColumn(run, `event.${name}`)!;
  const [at, layers, heads, positions, to] = [
    event('step'),
    event('layer'),
    event('kvHead'),
    event('position'),
    event('to'),
  ];
  const left = new Set<number>();
  for (let row = 0; row < at.rows && at.data[row]! < step; row++)
    if (layers.data[row] === layer && heads.data[row] === kvHead && to.data[row] === gone)
      left.add(positions.data[row]!);
  return seenBefore(run, step) - left.size;
}

/** Tokens written up to a step. */
function seenBefore(run: Run, step: number): number {
  const born = logColumn(run, 'token.step');
  let seen = 0;
  while (born && seen < born.rows && born.data[seen]! <= step) seen++;
  return seen;
}
