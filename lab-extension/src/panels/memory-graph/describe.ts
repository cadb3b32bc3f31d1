/** A memory graph in words: how much it holds, and what the query reached. */
import { fixed, whole } from '../../draw/scale.ts';
import type { Run } from '../../store/run.ts';
import { translate } from '../../translate.ts';
import { type Phrase, type Said, saysNoRun, type Table, tableOf } from '../words.ts';
import { type GraphDrawing, type GraphNode, nodeOf } from './encode.ts';

const cell = {
  label: 'Insert a cell with a tree of tasks',
  source: `import { lab, methods } from 'kvlab';

const model = await lab.load();
const tree = '{"thought":"go","subtasks":[{"thought":"look","conclusion":"red"},{"thought":"ask","conclusion":"no"}],"conclusion":"red"}';
const run = await lab.generate(model, tree, { method: methods.timTree({ keepLists: 0 }), maxTokens: 16 });
run.text`,
};

export function describeGraph(
  run: Run | undefined,
  drawing: GraphDrawing | undefined,
  step: number,
  pointed: { node?: number | undefined; position?: number | undefined },
): Said {
  if (!run)
    return saysNoRun(
      'This panel shows what a memory with a structure of its own holds: notes and links, or a tree of tasks.',
      cell,
    );
  if (!drawing)
    return {
      subtitle: run.info.method.name,
      caption: [{ text: translate('Nothing to draw for this run.') }],
      table: () => tableOf([], []),
      missing: {
        title: 'No structure of its own',
        text: `${run.info.method.name} keeps a list of entries in each head. Methods that cut the text into segments, such as TIM tree, draw a tree here.`,
        cell,
      },
    };
  const node =
    drawing.nodes.find((own) => own.node === pointed.node) ??
    (pointed.position === undefined ? undefined : nodeOf(drawing, pointed.position));
  const folded = drawing.folded ? ` · ${whole(drawing.folded)} more are folded away` : '';
  return {
    subtitle: `${drawing.tree ? 'tree of tasks' : run.info.title} · step ${step}${folded}`,
    caption: node ? aboutNode(node) : aboutGraph(drawing),
    table: () => nodeTable(drawing),
    facts: { nodes: drawing.all, links: drawing.links.length },
  };
}

function aboutGraph({ all, links, path, tree, gone }: GraphDrawing): Phrase[] {
  if (tree)
    return [
      { text: translate('%1 segments in the tree; ', whole(all - 1)) },
      { text: whole(gone), strong: true },
      { text: translate(gone === 1 ? ' has left the cache.' : ' have left the cache.') },
    ];
  const counts = [whole(all), whole(links.length)];
  if (!path.length) return [{ text: translate('%1 notes, %2 links; nothing was asked yet.', ...counts) }];
  const hops = path.length - 1;
  return [
    { text: translate('%1 notes, %2 links; the query reached ', ...counts) },
    { text: translate('%1 notes', whole(path.length)), strong: true },
    { text: hops === 1 ? translate(' in 1 hop.') : translate(' in %1 hops.', whole(hops)) },
  ];
}

function aboutNode({ label, kind, step, goneAt, activation, reads, from, to }: GraphNode): Phrase[] {
  const facts = [
    to > from ? translate('tokens %1 to %2', from, to - 1) : '',
    translate('since step %1', step),
    goneAt === undefined ? '' : translate('gone at step %1', goneAt),
    reads ? translate('read %1 times', whole(reads)) : '',
    activation > 0 ? translate('activation %1', fixed(activation, 2)) : '',
  ].filter(Boolean);
  return [{ text: `${translate(kind)} ` }, { text: label, strong: true }, { text: `: ${facts.join(', ')}.` }];
}

export function nodeTable({ nodes, path }: GraphDrawing): Table {
  const rows = [...nodes].sort((a, b) => hop(path, a) - hop(path, b) || b.activation - a.activation || a.node - b.node);
  return tableOf(
    ['hop', 'node', 'kind', 'since step', 'gone at', 'reads', 'activation'],
    rows.map((own) => [
      path.includes(own.node) ? String(path.indexOf(own.node)) : '',
      own.label,
      own.kind,
      String(own.step),
      own.goneAt === undefined ? '' : String(own.goneAt),
      String(own.reads),
      own.activation > 0 ? fixed(own.activation, 2) : '',
    ]),
  );
}

function hop(path: readonly number[], { node }: GraphNode): number {
  const at = path.indexOf(node);
  return at < 0 ? Number.MAX_SAFE_INTEGER : at;
}
