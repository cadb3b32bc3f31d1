/** What a run recorded as tidy tables: one row for one observation, names in snake case, missing values null or NaN. */
import { type ColumnTable, table } from 'arquero';
import {
  byteParts,
  type ColumnData,
  type ColumnName,
  type Columns,
  type ComparisonColumn,
  decodeFrame,
  eventKinds,
  eventParts,
  type Frame,
  links,
  type ReadColumn,
  type RunInfo,
  type TokenText,
  tiers,
} from './frame.ts';

export const tableNames = [
  'bytes',
  'attention',
  'events',
  'quantization',
  'tokens',
  'reads',
  'dense',
  'tiers',
  'comparison',
] as const;
export type TableName = (typeof tableNames)[number];

/** Columns of a table in their order, all of the same length. */
export type TableColumns = Record<string, ArrayLike<unknown>>;

interface Recorded {
  info: RunInfo;
  texts: readonly TokenText[];
  columns: Columns;
}

const builders: Record<
  TableName,
  { needs: ColumnName | ComparisonColumn | ReadColumn; build(recorded: Recorded): TableColumns; missing: string }
> = {
  bytes: { needs: 'bytes.held', build: bytesTable, missing: 'generate with record: true' },
  attention: {
    needs: 'sink.mass',
    build: attentionTable,
    missing: 'generate with record: true',
  },
  events: { needs: 'event.step', build: eventsTable, missing: 'generate with record: true' },
  quantization: {
    needs: 'quantization.layer',
    build: quantizationTable,
    missing: 'run a method that stores rows in fewer bits, such as kivi',
  },
  tokens: { needs: 'token.id', build: tokensTable, missing: 'generate with record: true' },
  reads: { needs: 'fetch.pages', build: readsTable, missing: 'run a method that reads a part, such as quest' },
  dense: { needs: 'dense.step', build: denseTable, missing: 'run a method that reads a part, such as quest' },
  tiers: { needs: 'tier.held', build: tiersTable, missing: 'run a method with pages or tiers, such as infLLM' },
  comparison: {
    needs: 'compare.kl',
    build: comparisonTable,
    missing: "only lab.compare makes one, in mode 'forced' or 'both'",
  },
};

/** Builds an arquero table from everything that a run recorded. Throws when the run recorded nothing of the kind. */
export function tableOf(snapshot: Frame, name: TableName): ColumnTable {
  const columns = tableColumns(snapshot, name);
  return table(columns as Parameters<typeof table>[0], Object.keys(columns));
}

/** The columns of a table as arrays, without the table library. */
export function tableColumns(snapshot: Frame, name: TableName): TableColumns {
  const { header, buffer } = snapshot;
  const builder = builders[name];
  if (!builder) throw new Error(`run.table: there is no table ${name}; ask for one of ${tableNames.join(', ')}`);
  if (!header.info)
    throw new Error(`run.table: the frame of run ${header.run} has no info; give a snapshot of the run`);
  const columns = decodeFrame(header, buffer);
  if (!columns[builder.needs])
    throw new Error(
      `run.table: run ${header.run} (${header.info.method.name}) has no ${builder.needs} for table ${name}; ${builder.missing}`,
    );
  return builder.build({ info: header.info, texts: header.texts, columns });
}

/** Step, zone and kind of bytes. What is said of a whole step (claimed, full, budget) is the same in all of its rows. */
function bytesTable({ info, columns }: Recorded): TableColumns {
  const held = columns['bytes.held']!;
  const inStep = info.zones.length * byteParts.length;
  const ofStep = (name: ColumnName) => repeated(columns[name]?.data, held.data.length, inStep);
  return {
    step: ofStep('step.index'),
    tokens_seen: ofStep('step.seen'),
    zone: rowsOf(held.data.length, (i) => info.zones[Math.floor(i / byteParts.length) % info.zones.length]!),
    kind: rowsOf(held.data.length, (i) => byteParts[i % byteParts.length]!),
    bytes_held: held.data,
    bytes_claimed: ofStep('bytes.claimed'),
    bytes_full: ofStep('bytes.full'),
    bytes_workspace: ofStep('bytes.workspace'),
    bytes_peak: ofStep('bytes.peak'),
    budget: ofStep('bytes.budget'),
  };
}

/** Step, layer and query head. `received_k`, the attention that the first tokens received per query, is known at the end. */
function attentionTable({ info, columns }: Recorded): TableColumns {
  const mass = columns['sink.mass']!.data;
  const { layers, queryHeads } = info.model;
  const heads = layers * queryHeads;
  const received = columns['attention.received'];
  const tokens = received?.shape[2] ?? 0;
  const atEnd = Float32Array.from({ length: heads }, (_, head) =>
    received
      ? (received.data as Float32Array)
          .subarray(head * tokens, head * tokens + Math.min(tokens, info.sinkCount))
          .reduce((a, b) => a + b, 0)
      : Number.NaN,
  );
  const receivedK = new Float32Array(mass.length).fill(Number.NaN);
  if (mass.length >= heads) receivedK.set(atEnd, mass.length - heads);
  return {
    step: repeated(columns['step.index']?.data, mass.length, heads),
    tokens_seen: repeated(columns['step.seen']?.data, mass.length, heads),
    layer: counted(mass.length, (i) => Math.floor(i / queryHeads) % layers),
    query_head: counted(mass.length, (i) => i % queryHeads),
    sink_mass: mass,
    entropy: columns['attention.entropy']?.data ?? new Float32Array(mass.length).fill(Number.NaN),
    received_k: receivedK,
  };
}

/** One row for each change of an entry. Zones are names, null where the entry is not in the cache. */
function eventsTable({ info, texts, columns }: Recorded): TableColumns {
  const read = (name: ColumnName) => columns[name]!.data;
  const rows = read('event.step').length;
  const rule = info.method.slots.find(({ slot }) => slot === 'select')?.text ?? '';
  const zones = (name: 'event.from' | 'event.to') => rowsOf(rows, (i) => info.zones[read(name)[i]!] ?? null);
  const score = columns['event.score']?.data ?? new Float32Array(rows).fill(Number.NaN);
  return {
    step: read('event.step'),
    layer: read('event.layer'),
    kv_head: read('event.kvHead'),
    position: read('event.position'),
    token: rowsOf(rows, (i) => texts[read('event.position')[i]!]?.text ?? null),
    event: rowsOf(rows, (i) => eventKinds[read('event.kind')[i]!]!),
    part: rowsOf(rows, (i) => eventParts[read('event.part')[i]!]!),
    from: zones('event.from'),
    to: zones('event.to'),
    target: rowsOf(rows, (i) => orNull(columns['event.into']?.data[i])),
    weight: rowsOf(rows, (i) => orNull(columns['event.weight']?.data[i])),
    score,
    rank: rowsOf(rows, (i) => orNull(columns['event.rank']?.data[i])),
    rule: rowsOf(rows, () => rule),
  };
}

/** One row for each layer and side (`scope` layer), channel and position; only what was measured, so no row is all NaN. */
function quantizationTable({ info, columns }: Recorded): TableColumns {
  const sides = ['keys', 'values'];
  const { layers, queryHeads } = info.model;
  const output = columns['quantization.output']?.data;
  const rows: Record<string, unknown[]> = {
    scope: [],
    layer: [],
    side: [],
    channel: [],
    position: [],
    bits: [],
    mse: [],
    max_abs: [],
    cosine: [],
    snr_db: [],
    out_err: [],
  };
  const add = (row: Record<string, unknown>) => {
    for (const [name, column] of Object.entries(rows)) column.push(row[name] ?? null);
  };
  const eachOf = (
    name: ColumnName,
    visit: (index: number, value: number, row: { layer: number; side: string }) => void,
  ) => {
    const column = columns[name];
    const width = column?.shape[2] ?? 0;
    column?.data.forEach((value, i) => {
      const at = Math.floor(i / width);
      if (Number.isFinite(value)) visit(i % width, value, { layer: at >> 1, side: sides[at % 2]! });
    });
  };
  const error = columns['quantization.layer']!.data;
  for (let layer = 0; layer < layers; layer++)
    for (const [s, side] of sides.entries()) {
      const [mse, maxAbs, cosine, snr] = error.subarray((layer * 2 + s) * 4, (layer * 2 + s) * 4 + 4);
      if (!Number.isFinite(mse)) continue;
      const heads = (output as Float32Array | undefined)?.subarray(layer * queryHeads, (layer + 1) * queryHeads);
      const outErr = heads && heads.reduce((a, b) => a + b, 0) / queryHeads;
      add({ scope: 'layer', layer, side, mse, max_abs: maxAbs, cosine, snr_db: snr, out_err: outErr });
    }
  eachOf('quantization.channel', (channel, error, row) => add({ ...row, scope: 'channel', channel, mse: error ** 2 }));
  const bits = columns['quantization.bits'];
  eachOf('quantization.token', (position, error, row) => {
    const tokens = columns['quantization.token']!.shape[2]!;
    const at = (row.layer * 2 + sides.indexOf(row.side)) * tokens + position;
    add({ ...row, scope: 'position', position, bits: bits?.data[at], mse: error ** 2 });
  });
  return rows;
}

/** One row for each token, prompt first. `kept` is the share of heads that hold it at the end. */
function tokensTable({ info, texts, columns }: Recorded): TableColumns {
  const id = columns['token.id']!.data;
  const rows = id.length;
  const float = (name: ColumnName) => columns[name]?.data ?? new Float32Array(rows).fill(Number.NaN);
  return {
    position: columns['token.position']?.data ?? counted(rows, (i) => i),
    id,
    text: rowsOf(rows, (i) => texts[i]?.text ?? ''),
    special: rowsOf(rows, (i) => texts[i]?.special === true),
    step: columns['token.step']?.data ?? new Uint32Array(rows),
    log_prob: float('token.logProb'),
    entropy: float('token.entropy'),
    kept: keptShares(info, columns, rows),
    received: meanOver(columns, 'attention.received', rows),
  };
}

/** Step, layer and KV head: pages fetched, entries read and held, and the share of attention that what was read holds, mean
 *  over the query heads of the KV head where it was measured. */
function readsTable({ info, columns }: Recorded): TableColumns {
  const { layers, queryHeads, kvHeads } = info.model;
  const width = layers * kvHeads;
  const group = queryHeads / kvHeads;
  const pages = columns['fetch.pages']!.data;
  const mass = columns['fetch.mass']!.data;
  return {
    step: repeated(columns['step.index']?.data, pages.length, width),
    layer: counted(pages.length, (i) => Math.floor(i / kvHeads) % layers),
    kv_head: counted(pages.length, (i) => i % kvHeads),
    pages,
    entries_read: columns['fetch.entries']!.data,
    entries_held: columns['fetch.held']!.data,
    mass: Float64Array.from(pages, (_, i) => {
      const own = [...mass.subarray(i * group, (i + 1) * group)].filter(Number.isFinite);
      return own.reduce((a, b) => a + b, 0) / own.length;
    }),
  };
}

/** Step, head and token: the share of the attention over all that was held. Throws where no head was named or watched. */
function denseTable({ info, texts, columns }: Recorded): TableColumns {
  const read = (name: ReadColumn) => columns[name]!.data;
  const tokens = read('dense.tokens');
  if (tokens.length === 0)
    throw new Error(
      `run.table: run ${info.run} kept no row of dense; generate with the heads in record: [{ layer, queryHead }]`,
    );
  const rows = Array.from(tokens, (count, row) =>
    Array.from({ length: count }, (_, position) => ({ row, position })),
  ).flat();
  const ofRow = (name: ReadColumn) => counted(rows.length, (i) => read(name)[rows[i]!.row]!);
  return {
    step: ofRow('dense.step'),
    layer: ofRow('dense.layer'),
    query_head: ofRow('dense.queryHead'),
    position: counted(rows.length, (i) => rows[i]!.position),
    token: rowsOf(rows.length, (i) => texts[rows[i]!.position]?.text ?? null),
    share: read('dense.share'),
  };
}

/** Step and tier: bytes held there. What goes over links in a step, and what that would take, is the same in its rows. */
function tiersTable({ columns }: Recorded): TableColumns {
  const held = columns['tier.held']!.data;
  const ofStep = (name: ReadColumn) => repeated(columns[name]?.data, held.length, tiers.length);
  const moved = columns['tier.moved']!.data;
  const over = (link: number) =>
    Float64Array.from(held, (_, i) => moved[Math.floor(i / tiers.length) * links.length + link]!);
  return {
    step: repeated(columns['step.index']?.data, held.length, tiers.length),
    tier: rowsOf(held.length, (i) => tiers[i % tiers.length]!),
    bytes_held: held,
    ...Object.fromEntries(links.map((link, i) => [link.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), over(i)])),
    estimated_ms: ofStep('tier.estimatedMs'),
  };
}

/** One row for each judged token and method, the full cache first. */
function comparisonTable({ info, texts, columns }: Recorded): TableColumns {
  const { lanes } = info.comparison!;
  const P = lanes.length;
  const kl = columns['compare.kl']!.data;
  const read = (name: ComparisonColumn) => columns[name]!.data;
  const fed = [...read('token.lane').keys()].filter((row) => read('token.lane')[row] === 255).slice(info.promptLength);
  const judged = (i: number) => fed[Math.floor(i / P)]!;
  return {
    method: rowsOf(kl.length, (i) => lanes[i % P]!.method),
    setting: rowsOf(kl.length, (i) => lanes[i % P]!.setting),
    step: repeated(columns['step.index']?.data, kl.length, P),
    id: rowsOf(kl.length, (i) => columns['token.id']!.data[judged(i)]!),
    text: rowsOf(kl.length, (i) => texts[judged(i)]?.text ?? ''),
    kl,
    top1: read('compare.top1'),
    nll_ref: read('compare.nll'),
    bytes_held: read('compare.held'),
    bytes_claimed: read('compare.claimed'),
    ms: read('compare.ms'),
  };
}

function keptShares(info: RunInfo, columns: Columns, tokens: number): Float64Array {
  const [keys, values] = [columns['entry.zoneKeys'], columns['entry.zoneValues']];
  if (!keys || !values || keys.shape[2] !== tokens) return new Float64Array(tokens).fill(Number.NaN);
  const heads = info.model.layers * info.model.kvHeads;
  const kept = new Float64Array(tokens);
  for (let i = 0; i < keys.data.length; i++) if (keys.data[i] !== 255 || values.data[i] !== 255) kept[i % tokens]! += 1;
  return kept.map((held) => held / heads);
}

/** Mean over all heads of a state column whose last axis is the token. */
function meanOver(columns: Columns, name: ColumnName, tokens: number): Float32Array {
  const column = columns[name];
  if (!column || column.shape.at(-1) !== tokens) return new Float32Array(tokens).fill(Number.NaN);
  const heads = column.data.length / tokens;
  const mean = new Float32Array(tokens);
  for (let i = 0; i < column.data.length; i++) mean[i % tokens]! += column.data[i]! / heads;
  return mean;
}

/** Each value as often as it has rows; NaN where nothing was recorded. */
function repeated(data: ColumnData | undefined, rows: number, times: number): ColumnData {
  const out = data
    ? new (data.constructor as new (length: number) => ColumnData)(rows)
    : new Float64Array(rows).fill(Number.NaN);
  if (data) for (let i = 0; i < rows; i++) out[i] = data[Math.floor(i / times)]!;
  return out;
}

function counted(rows: number, value: (row: number) => number): Uint32Array {
  return Uint32Array.from({ length: rows }, (_, i) => value(i));
}

function rowsOf<T>(rows: number, value: (row: number) => T): T[] {
  return Array.from({ length: rows }, (_, i) => value(i));
}

function orNull(value: number | undefined): number | null {
  return value === undefined || value < 0 ? null : value;
}
