/** Sparse reads in words: how many keys a layer reads, and how much attention they hold. */
import { percent, whole } from '../../draw/scale.ts';
import type { Theme } from '../../draw/theme.ts';
import { quoted } from '../../draw/words.ts';
import type { Run } from '../../store/run.ts';
import { type Phrase, type Said, saysNoRun, saysNotRecorded, tableOf } from '../words.ts';
import type { SparseDrawing } from './encode.ts';

const cell = {
  label: 'Insert a cell with Quest',
  source: `import { lab, methods } from 'kvlab';

const model = await lab.load();
const prompt = [{ role: 'user', content: 'Tell me a story about a lighthouse, a storm and a blue notebook.' }];
const run = await lab.generate(model, prompt, { method: methods.quest({ page: 8, read: 48 }), maxTokens: 100 });
run.text`,
};

export function describeSparse(
  run: Run | undefined,
  drawing: SparseDrawing | undefined,
  position: number | undefined,
  theme: Theme,
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
  const { layer, queryHead, kvHead, pageSize, most } = drawing;
  return {
    subtitle: `pages of ${pageSize}, up to ${most} read · layer ${layer} head ${queryHead} (KV head ${kvHead})`,
    caption: position === undefined ? aboutHead(drawing) : aboutToken(run, drawing, position),
    legend: [
      { kind: 'swatch', label: 'page read', colour: theme.tones.recent },
      { kind: 'swatch', label: 'read, in no page', colour: theme.rampCss[70]! },
      { kind: 'swatch', label: 'not read', colour: theme.rampCss[28]! },
    ],
    table: () =>
      tableOf(
        ['layer', 'keys read', 'attention in it', ...drawing.layers[0]!.heads.map((_, head) => `head ${head}`)],
        drawing.layers.map(({ keys, mean, heads }, l) => [
          String(l),
          percent(keys),
          percent(mean),
          ...heads.map(percent),
        ]),
      ),
    facts: { keysRead: drawing.keys, massRead: drawing.layers[layer]!.mean },
  };
}

function aboutHead({ layer, queryHead, layers }: SparseDrawing): Phrase[] {
  const { keys, mean, heads } = layers[layer]!;
  if (!(keys < 1)) return [{ text: `Layer ${layer} reads every key that it holds.` }];
  if (!Number.isFinite(mean))
    return [
      { text: `Layer ${layer} reads ` },
      { text: percent(keys), strong: true },
      { text: ' of keys; how much attention they hold was not measured yet.' },
    ];
  return [
    { text: `Layer ${layer} reads ${percent(keys)} of keys and keeps ` },
    { text: percent(mean), strong: true },
    { text: ` of attention; head ${queryHead} keeps ${percent(heads[queryHead]!)}.` },
  ];
}

function aboutToken(run: Run, { layer, kvHead, rows, pageFrom, pageTo }: SparseDrawing, position: number): Phrase[] {
  const seen = rows.filter((row) => row.seen > position && row.pages);
  let page = -1;
  for (let p = 0; p < pageFrom.length; p++) if (pageFrom[p]! <= position && position < pageTo[p]!) page = p;
  const name = quoted(position, run.texts[position]?.text);
  if (page < 0) return [{ text: `Token ${name} lies in no page yet: it is read in every step.` }];
  const read = seen.filter(({ pages }) => pages!.some((own) => own.page === page)).length;
  return [
    { text: `Token ${name} lies in page ${page}, which layer ${layer} KV head ${kvHead} read in ` },
    { text: whole(read), strong: true },
    { text: ` of ${whole(seen.length)} steps.` },
  ];
}
