/** Every column that a frame can carry: name, lane, type and shape. Part of the contract in `frame.ts`, which names the letters. */

export type Lane = 'log' | 'state';
export type ColumnType = 'f32' | 'f64' | 'u8' | 'u16' | 'u32' | 'i32';

/** Event kinds in the order of their codes in `event.kind`. `enter` is sent for entries that are no tokens (a mean): every token enters every head at its step. */
export const eventKinds = ['enter', 'move', 'merge', 'leave', 'read', 'tier', 'rerun'] as const;
export type EventKind = (typeof eventKinds)[number];
export const eventParts = ['keys', 'values', 'both'] as const;

/** The last axis of `bytes.held`. */
export const byteParts = ['payloadKeys', 'payloadValues', 'scales', 'index', 'slack'] as const;
/** The last axis of `quantization.layer`. */
export const errorMeasures = ['meanSquaredError', 'maxAbs', 'cosine', 'snrDb'] as const;
/** Entries kept per query head in `heavy.topPosition` and `heavy.topShare`. */
export const topCount = 16;

/** Tokens kept per KV head in `rank.position`. */
export const rankCount = 24;

/** Every column a run can send, its lane and shape. A panel that misses one says which setting brings it. */
export const columnCatalogue = {
  // One row per token, prompt first. Its text is in `FrameHeader.texts`.
  'token.id': { lane: 'log', type: 'u32', shape: 'n' },
  'token.position': { lane: 'log', type: 'u32', shape: 'n' },
  /** Step at which the token was fed: 0 for the prompt, then 1, 2, … */
  'token.step': { lane: 'log', type: 'u32', shape: 'n' },
  /** ln p(token | all before it) under this run; NaN for the first token. */
  'token.logProb': { lane: 'log', type: 'f32', shape: 'n' },
  /** Entropy in nats of the distribution that the token was drawn from; NaN for the first token. */
  'token.entropy': { lane: 'log', type: 'f32', shape: 'n' },

  // One row per step.
  'step.index': { lane: 'log', type: 'u32', shape: 'S' },
  /** Tokens seen after the step. */
  'step.seen': { lane: 'log', type: 'u32', shape: 'S' },
  'step.ms': { lane: 'log', type: 'f32', shape: 'S' },

  // One row per change of an entry.
  'event.step': { lane: 'log', type: 'u32', shape: 'E' },
  'event.layer': { lane: 'log', type: 'u8', shape: 'E' },
  'event.kvHead': { lane: 'log', type: 'u8', shape: 'E' },
  'event.position': { lane: 'log', type: 'u32', shape: 'E' },
  /** Index into `eventKinds`. */
  'event.kind': { lane: 'log', type: 'u8', shape: 'E' },
  /** Index into `eventParts`. */
  'event.part': { lane: 'log', type: 'u8', shape: 'E' },
  'event.from': { lane: 'log', type: 'u8', shape: 'E' },
  'event.to': { lane: 'log', type: 'u8', shape: 'E' },
  /** Position of the entry that took it in, or -1. */
  'event.into': { lane: 'log', type: 'i32', shape: 'E' },
  /** Factor of the rows of the entry in the mixed rows of the one that took it in, NaN where none did. Only methods that merge
   *  send it. */
  'event.weight': { lane: 'log', type: 'f32', shape: 'E' },
  /** Score that decided, NaN where the rule reads positions only. */
  'event.score': { lane: 'log', type: 'f32', shape: 'E' },
  /** Rank by score among the entries of its head, 0 = highest; -1 where there is no score. */
  'event.rank': { lane: 'log', type: 'i32', shape: 'E' },

  // One row per change of the method's amounts that was asked for while the run went on.
  /** The first step with the new amounts. */
  'change.step': { lane: 'log', type: 'u32', shape: 'C' },
  /** UTF-8, for each change a `RunChange` without its step in JSON, closed by a zero byte. */
  'change.said': { lane: 'log', type: 'u8', shape: 'letters' },

  // Bytes in live buffers after each step; `held` is the sum over its last two axes.
  'bytes.held': { lane: 'log', type: 'f64', shape: 'S Z 5' },
  /** What the paper's formula says, at 16 bits for exact rows. */
  'bytes.claimed': { lane: 'log', type: 'f64', shape: 'S' },
  /** What the full cache would hold in this run's precision. */
  'bytes.full': { lane: 'log', type: 'f64', shape: 'S' },
  'bytes.workspace': { lane: 'log', type: 'f64', shape: 'S' },
  'bytes.peak': { lane: 'log', type: 'f64', shape: 'S' },
  'bytes.layer': { lane: 'log', type: 'f64', shape: 'S L' },
  /** Budget in bytes that the method allows itself after the step; NaN without one. */
  'bytes.budget': { lane: 'log', type: 'f64', shape: 'S' },

  // Attention of the step's newest query.
  'sink.mass': { lane: 'log', type: 'f32', shape: 'S L Hq' },
  'attention.entropy': { lane: 'log', type: 'f32', shape: 'S L Hq' },
  /** Positions that the newest query reads most. */
  'heavy.topPosition': { lane: 'state', type: 'u32', shape: 'L Hq 16' },
  'heavy.topShare': { lane: 'state', type: 'f32', shape: 'L Hq 16' },
  /** Attention received by each token so far, summed over queries and over the query heads of a group. */
  'heavy.score': { lane: 'state', type: 'f32', shape: 'L Hkv T' },
  /** Every sixteenth step: the positions with the highest scores in each head so far, best first, -1 where there are no more. */
  'rank.step': { lane: 'log', type: 'u32', shape: 'Q' },
  'rank.position': { lane: 'log', type: 'i32', shape: 'Q L Hkv 24' },
  /** Attention received per query that could see the token, query row of the token itself left out. */
  'attention.received': { lane: 'state', type: 'f32', shape: 'L Hq T' },

  // Zone of each entry per part after the newest step, 255 where the head does not hold the token.
  'entry.zoneKeys': { lane: 'state', type: 'u8', shape: 'L Hkv T' },
  'entry.zoneValues': { lane: 'state', type: 'u8', shape: 'L Hkv T' },

  // Error of stored rows against the exact rows that they replaced, measured where they were written.
  /** Axis 1 is keys, values; axis 2 is `errorMeasures`. NaN where nothing was quantized. */
  'quantization.layer': { lane: 'state', type: 'f32', shape: 'L 2 4' },
  /** Root mean square error by channel, Hkv * D channels. */
  'quantization.channel': { lane: 'state', type: 'f32', shape: 'L 2 HkvD' },
  /** Root mean square error by token, NaN where the token is exact. */
  'quantization.token': { lane: 'state', type: 'f32', shape: 'L 2 T' },
  'quantization.bits': { lane: 'state', type: 'u8', shape: 'L 2 T' },
  /** Relative error of the attention output of the query after a write, per head; the largest write so far. */
  'quantization.output': { lane: 'state', type: 'f32', shape: 'L Hq' },

  // Detail that a panel asked for with `{ type: 'watch' }`.
  /** Attention row of the newest query of the watched head by absolute position. */
  'watch.attention': { lane: 'state', type: 'f32', shape: 'T' },
  /** The watched layer and query head. */
  'watch.head': { lane: 'state', type: 'u32', shape: '2' },
} as const satisfies Record<string, { lane: Lane; type: ColumnType; shape: string }>;
export type ColumnName = keyof typeof columnCatalogue;

/** What a comparison sends: P lanes in the order of `ComparisonInfo.lanes`. Step s judges the prediction after s tokens
 *  of the answer were fed, so it belongs to step s of the runs of its lanes. Tokens are rows of `token.*` as in any run. */
export const comparisonColumns = {
  /** The lane that wrote the token by itself; 255 for the prompt and for tokens that all lanes were fed. */
  'token.lane': { lane: 'log', type: 'u8', shape: 'n' },
  /** KL(full || method) in nats. */
  'compare.kl': { lane: 'log', type: 'f32', shape: 'S P' },
  /** 1 where both put the same token first. */
  'compare.top1': { lane: 'log', type: 'u8', shape: 'S P' },
  /** -ln p of the reference token. */
  'compare.nll': { lane: 'log', type: 'f32', shape: 'S P' },
  'compare.held': { lane: 'log', type: 'f64', shape: 'S P' },
  'compare.claimed': { lane: 'log', type: 'f64', shape: 'S P' },
  /** Time of the last fed token, what watching costs left out; NaN before the first. */
  'compare.ms': { lane: 'log', type: 'f32', shape: 'S P' },
  /** Payload bytes that a method allows itself; NaN without a budget. */
  'compare.budget': { lane: 'state', type: 'f64', shape: 'P' },
  // Heads that hold a position from a step on, one row where that number changes; a new token is held by all heads.
  'hold.lane': { lane: 'log', type: 'u8', shape: 'H' },
  'hold.step': { lane: 'log', type: 'u32', shape: 'H' },
  'hold.position': { lane: 'log', type: 'u32', shape: 'H' },
  'hold.heads': { lane: 'log', type: 'u16', shape: 'H' },
} as const satisfies Record<string, { lane: Lane; type: ColumnType; shape: string }>;
export type ComparisonColumn = keyof typeof comparisonColumns;

/** What a node of a memory graph is. A hub gathers others; a segment is a span of tokens of the run itself. */
export const nodeKinds = ['note', 'hub', 'cluster', 'segment'] as const;
export type NodeKind = (typeof nodeKinds)[number];
/** Why two nodes are linked: one is about the other, follows it, resembles it, or is a part of it. */
export const linkKinds = ['about', 'then', 'like', 'part'] as const;
export type LinkKind = (typeof linkKinds)[number];
/** What happens to a node after it appeared. */
export const graphOperations = ['update', 'read', 'merge', 'forget'] as const;

/** What a memory with a structure of its own sends: N nodes and K links, named by their rows, each from its step on. */
export const graphColumns = {
  /** Index into `nodeKinds`. */
  'node.kind': { lane: 'log', type: 'u8', shape: 'N' },
  'node.step': { lane: 'log', type: 'u32', shape: 'N' },
  /** Positions of the first token that the node stands for and of the one after its last, which moves while the node is
   *  open; equal for a node without tokens. */
  'node.from': { lane: 'state', type: 'u32', shape: 'N' },
  'node.to': { lane: 'state', type: 'u32', shape: 'N' },
  /** UTF-8, each label closed by a zero byte; an empty label stands for the node's tokens. */
  'node.label': { lane: 'log', type: 'u8', shape: 'bytes' },
  'link.source': { lane: 'log', type: 'u32', shape: 'K' },
  'link.target': { lane: 'log', type: 'u32', shape: 'K' },
  /** Index into `linkKinds`. */
  'link.kind': { lane: 'log', type: 'u8', shape: 'K' },
  'link.weight': { lane: 'log', type: 'f32', shape: 'K' },
  'link.step': { lane: 'log', type: 'u32', shape: 'K' },
  // One row per later change. A node that is merged or forgotten is gone from that step on.
  'graph.step': { lane: 'log', type: 'u32', shape: 'G' },
  /** Index into `graphOperations`. */
  'graph.operation': { lane: 'log', type: 'u8', shape: 'G' },
  'graph.node': { lane: 'log', type: 'u32', shape: 'G' },
  /** The node that took it in, or -1. */
  'graph.other': { lane: 'log', type: 'i32', shape: 'G' },
  /** How much the newest query stirs each node, 0 to 1. */
  'node.activation': { lane: 'state', type: 'f32', shape: 'N' },
  'node.bytes': { lane: 'state', type: 'f64', shape: 'N' },
  /** Nodes that the newest query reached, in the order of its hops. */
  'path.node': { lane: 'state', type: 'u32', shape: 'hops' },
} as const satisfies Record<string, { lane: Lane; type: ColumnType; shape: string }>;
export type GraphColumn = keyof typeof graphColumns;

/** Where rows lie, in the order of their codes. device: rows that enter the runtime's memory as they are. host: rows in
 *  memory of JavaScript that are copied to the device before they are read. disk: rows in a file. */
export const tiers = ['device', 'host', 'disk'] as const;
export type Tier = (typeof tiers)[number];
/** The last axis of `tier.moved`. */
export const links = ['hostToDevice', 'deviceToHost', 'diskToHost', 'hostToDisk'] as const;
export type Link = (typeof links)[number];

/** What a run sends besides where it reads a part of what it holds, keeps pages, or has more tiers than one. Without such
 *  a method these columns are absent.
 *
 *  A page is a segment of the text (`page.from` up to `page.to`, P of them, the same for all heads); a head has the page once
 *  its zone holds all of it. Layers and steps that read everything (the first layers of Quest, the prompt) read no pages:
 *  their `fetch.pages` is 0 and their `fetch.entries` equals `fetch.held`. F and M are rows over all steps. Numbers of
 *  step 0 are those of the last chunk of the prompt, except what is moved, which is a sum over the step. */
export const readColumns = {
  // One row per step, for the newest query.
  /** Pages that each head fetched: as many of the next rows of `fetch.page`, layer by layer, head by head. */
  'fetch.pages': { lane: 'log', type: 'u16', shape: 'S L Hkv' },
  /** Entries read, of all zones, and entries held. New tokens of the step count in neither. */
  'fetch.entries': { lane: 'log', type: 'u32', shape: 'S L Hkv' },
  'fetch.held': { lane: 'log', type: 'u32', shape: 'S L Hkv' },
  /** Share of the attention over all that is held that falls on what was read; 1 where all was read. Measuring costs as much
   *  as reading everything, so long texts have it for a few layers in each step, in turn; NaN where it was not measured. */
  'fetch.mass': { lane: 'log', type: 'f32', shape: 'S L Hq' },

  // One row per fetched page, in the order of its score.
  'fetch.page': { lane: 'log', type: 'u16', shape: 'F' },
  /** What the page was worth to the query. Scales differ between methods. */
  'fetch.score': { lane: 'log', type: 'f32', shape: 'F' },

  // The attention over all that is held, one row for each step and head that `record` names or a panel watches, as far as it
  // can be measured (rows that lie in a file are not read for it). R rows, V shares of all of them.
  'dense.step': { lane: 'log', type: 'u32', shape: 'R' },
  'dense.layer': { lane: 'log', type: 'u8', shape: 'R' },
  'dense.queryHead': { lane: 'log', type: 'u8', shape: 'R' },
  /** Tokens of the row: as many of the next rows of `dense.share`, by absolute position; 0 where a token is not held. */
  'dense.tokens': { lane: 'log', type: 'u32', shape: 'R' },
  /** What the newest query gives to each token, or would give to one that was not read. A row sums to 1. */
  'dense.share': { lane: 'log', type: 'f32', shape: 'V' },

  // Pages as they are after the newest step.
  /** Positions of the first token of each page and of the one after its last. */
  'page.from': { lane: 'state', type: 'u32', shape: 'P' },
  'page.to': { lane: 'state', type: 'u32', shape: 'P' },
  /** Newest score of each page; NaN where the head has no such page or did not score it. */
  'page.score': { lane: 'state', type: 'f32', shape: 'L Hkv P' },
  /** Index into `tiers`, the nearest to the runtime where copies lie in two; 255 where the head has no such page. */
  'page.tier': { lane: 'state', type: 'u8', shape: 'L Hkv P' },
  /** Step in which the page was last fetched, -1 for never. */
  'page.lastRead': { lane: 'state', type: 'i32', shape: 'L Hkv P' },

  // One row per page that came to another tier; a page that a head newly has comes from 255.
  'move.step': { lane: 'log', type: 'u32', shape: 'M' },
  'move.layer': { lane: 'log', type: 'u8', shape: 'M' },
  'move.kvHead': { lane: 'log', type: 'u8', shape: 'M' },
  'move.page': { lane: 'log', type: 'u16', shape: 'M' },
  'move.from': { lane: 'log', type: 'u8', shape: 'M' },
  'move.to': { lane: 'log', type: 'u8', shape: 'M' },

  // Bytes by tier and link.
  /** Axis 1 is `tiers`. Device and host together are what the ledger holds; what lies in a file is no memory. */
  'tier.held': { lane: 'log', type: 'f64', shape: 'S 3' },
  /** Where the parts of `bytes.held` lie, and those that lie in a file; axis 1 is `tiers`. */
  'tier.zones': { lane: 'log', type: 'f64', shape: 'S 3 Z 5' },
  /** Bytes that went over each link in the step; axis 1 is `links`. */
  'tier.moved': { lane: 'log', type: 'f64', shape: 'S 4' },
  /** Transfers: pages that were moved one by one, or rows that left together. */
  'tier.moves': { lane: 'log', type: 'u32', shape: 'S 4' },
  /** What those moves would take by the model of links in `RunInfo.links`. *Estimated*: say so wherever it is shown. */
  'tier.estimatedMs': { lane: 'log', type: 'f32', shape: 'S' },
  /** Bytes that a pager has committed for what is held; NaN where the method has none. */
  'tier.committed': { lane: 'log', type: 'f64', shape: 'S' },
} as const satisfies Record<string, { lane: Lane; type: ColumnType; shape: string }>;
export type ReadColumn = keyof typeof readColumns;
