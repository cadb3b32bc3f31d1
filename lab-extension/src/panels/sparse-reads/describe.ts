/** Sparse reads in words: how many keys a layer reads, and how much attention they hold. */
import { percent, whole } from '../../draw/scale.ts';
import { quoted } from '../../draw/words.ts';
import type { Run } from '../../store/run.ts';
import { translate } from '../../translate.ts';
import type { DataColumns } from '../data.ts';
import { type Phrase, type Said, saysNoRun, saysNotRecorded, type Table, tableOf } from '../words.ts';
import type { Beside } from './beside.ts';
import { pageMasses, type RecallCurve } from './dense.ts';
import type { SparseDrawing } from './encode.ts';
import type { Shading } from './map.ts';

const cell = {
  label: 'Insert a cell with Quest',
  source: `import { lab, methods } from 'kvlab';

const model = await lab.load();
const prompt = [{ role: 'user', content: 'Tell me a story about a lighthouse, a storm and a blue notebook.' }];
const run = await lab.generate(model, prompt, {
  method: methods.quest({ page: 8, read: 48 }),
  maxTokens: 100,
  record: [{ layer: 2, queryHead: 4 }],
});
run.text`,
};

export function describeSparse(
  run: Run | undefined,
  drawing: SparseDrawing | undefined,
  position: number | undefined,
  { shading, beside, recall }: { shading: Shading; beside: Beside; recall?: RecallCurve | undefined },
): Said {
  if (!run)
    return saysNoRun(
      'This panel shows which pages of the cache each step reads, where a method reads only a part.',
      cell,
    );
  if (!drawing)
    return {
      ...saysNotRecorded(run.info.method.name, ''),
      missing: {
        title: 'All is read',
        text: `${run.info.method.name} reads everything that it holds in every step. Quest and InfLLM choose pages.`,
        cell,
      },
    };
  const { layer, queryHead, kvHead, pageSize, most, dense } = drawing;
  const unknown = shading === 'mass' && !dense;
  return {
    subtitle: `pages of ${pageSize}, up to ${most} read · layer ${layer} head ${queryHead} (KV head ${kvHead})`,
    caption: [
      ...(position === undefined ? aboutHead(drawing, recall) : aboutToken(run, drawing, position)),
      ...(unknown
        ? [
            {
              text: translate(
                run.state === 'running'
                  ? ' Shaded by score: what it would give to the rest is recorded when the head is named in record, or from here on while it is locked.'
                  : ' Shaded by score: what it would give to the rest is recorded when the head is named in record.',
              ),
            },
          ]
        : []),
    ],
    table: () => tables[beside](drawing, recall),
    data: () => readRows(run, drawing),
    facts: { keysRead: drawing.keys, massRead: drawing.layers[layer]!.mean, denseSteps: dense?.size ?? 0 },
  };
}

const tables: Readonly<Record<Beside, (drawing: SparseDrawing, recall: RecallCurve | undefined) => Table>> = {
  layers: ({ layers }) =>
    tableOf(
      ['layer', 'keys read', 'attention in it', ...layers[0]!.heads.map((_, head) => `head ${head}`)],
      layers.map(({ keys, mean, heads }, l) => [String(l), percent(keys), percent(mean), ...heads.map(percent)]),
    ),
  steps: ({ rows }) =>
    tableOf(
      ['step', 'tokens', 'keys read', 'attention in it', 'pages, best first'],
      rows.map(({ step, seen, keys, recall, pages }) => [
        String(step),
        whole(seen),
        percent(keys),
        percent(recall),
        pages?.map(({ page }) => page).join(' ') ?? 'all',
      ]),
    ),
  pages: (_, recall) =>
    tableOf(
      ['pages read', 'attention as scored', 'best possible'],
      (recall?.byScore ?? []).map((share, k) => [String(k), percent(share), percent(recall!.best[k]!)]),
    ),
};

function aboutHead({ layer, queryHead, layers, most }: SparseDrawing, recall: RecallCurve | undefined): Phrase[] {
  const { keys, mean, heads } = layers[layer]!;
  if (!(keys < 1)) return [{ text: translate('Layer %1 reads every key that it holds.', layer) }];
  if (recall)
    return [
      { text: translate('Layer %1 head %2: its first %3 pages hold ', layer, queryHead, most) },
      { text: percent(recall.byScore.at(-1)!), strong: true },
      { text: translate(' of attention, the best %1 would hold %2.', most, percent(recall.best.at(-1)!)) },
    ];
  if (!Number.isFinite(mean))
    return [
      { text: translate('Layer %1 reads ', layer) },
      { text: percent(keys), strong: true },
      { text: translate(' of keys; how much attention they hold was not measured yet.') },
    ];
  return [
    { text: translate('Layer %1 reads %2 of keys and keeps ', layer, percent(keys)) },
    { text: percent(mean), strong: true },
    { text: translate(' of attention; head %1 keeps %2.', queryHead, percent(heads[queryHead]!)) },
  ];
}

/** One row for each step and page of the head that is shown, for files. */
function readRows(run: Run, drawing: SparseDrawing): DataColumns {
  const { layer, queryHead, kvHead, pageFrom, pageTo, pageSince, dense } = drawing;
  const rows = drawing.rows.flatMap((row) => {
    const shares = dense?.get(row.step);
    const masses = shares && pageMasses(row, drawing, shares).pages;
    const rank = new Map(row.pages?.map(({ page, rank }) => [page, rank]));
    return Array.from(pageFrom, (from, page) => ({
      step: row.step,
      page,
      from,
      to: pageTo[page]!,
      picked: row.pages && !rank.has(page) ? 0 : 1,
      rank: rank.get(page) ?? Number.NaN,
      mass: masses?.get(page) ?? Number.NaN,
      recall: row.recall,
    })).filter(({ page }) => pageSince[page]! < row.step);
  });
  const column = (of: (row: (typeof rows)[number]) => number) => Float64Array.from(rows, of);
  const same = (value: number) => new Uint32Array(rows.length).fill(value);
  return {
    step: column(({ step }) => step),
    layer: same(layer),
    query_head: same(queryHead),
    kv_head: same(kvHead),
    page: column(({ page }) => page),
    from: column(({ from }) => from),
    to: column(({ to }) => to),
    token: rows.map(({ from, to }) =>
      run.texts
        .slice(from, to)
        .map(({ text }) => text)
        .join(''),
    ),
    picked: column(({ picked }) => picked),
    rank: column(({ rank }) => rank),
    mass: column(({ mass }) => mass),
    recall: column(({ recall }) => recall),
  };
}

function aboutToken(run: Run, { layer, kvHead, rows, pageFrom, pageTo }: SparseDrawing, position: number): Phrase[] {
  const seen = rows.filter((row) => row.seen > position && row.pages);
  let page = -1;
  for (let p = 0; p < pageFrom.length; p++) if (pageFrom[p]! <= position && position < pageTo[p]!) page = p;
  const name = quoted(position, run.texts[position]?.text);
  if (page < 0) return [{ text: translate('Token %1 lies in no page yet: it is read in every step.', name) }];
  const read = seen.filter(({ pages }) => pages!.some((own) => own.page === page)).length;
  return [
    { text: translate('Token %1 lies in page %2, which layer %3 KV head %4 read in ', name, page, layer, kvHead) },
    { text: whole(read), strong: true },
    { text: translate(' of %1 steps.', whole(seen.length)) },
  ];
}
