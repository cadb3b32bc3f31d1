/** What a sequence reads of its cache in a step: all of it, or the pages that are fetched. */
import type { CacheLayer } from '../cache/layer.ts';
import { noTraffic } from '../cache/traffic.ts';
import { type LayerRead, readLayer } from '../fetch/read.ts';
import { segmentsOf } from '../fetch/segments.ts';
import { checkHost, settlePages } from '../fetch/settle.ts';
import type { PageFile } from '../runtime/platform.ts';
import { movedSoFar } from './reads.ts';
import type { Sequence } from './sequence.ts';

const hasPages = ({ layers }: Sequence): boolean => (layers[0]?.pages.length ?? 0) > 0;

/** A step begins: what is moved from now on belongs to it. */
export function beginStep(sequence: Sequence): void {
  const { reads, method, model, promptLength } = sequence;
  reads.earlier = movedSoFar(reads);
  reads.traffic = noTraffic();
  if (!hasPages(sequence) || reads.most.size) return;
  const { layers, kvHeads, headSize } = model.config;
  const request = { layers, kvHeads, promptLength, bytesPerEntry: 2 * 4 * headSize, reserved: 0 };
  reads.most = new Map(
    sequence.layers[0]!.pages.map(({ zone, fetch }) => [
      zone,
      fetch.entries({ ...request, zones: [method.zones[zone]!] }),
    ]),
  );
}

/** Looks at the text so far; refuses new tokens for which there is no room. */
export function beginReads(sequence: Sequence, position: Int32Array): void {
  if (!hasPages(sequence)) return;
  checkHost(sequence.method, sequence.layers, sequence.allocated, position);
  lookAtText(sequence);
}

function lookAtText({ reads, method, ids, pieces }: Sequence): void {
  if (reads.segments?.of.length !== ids.length) reads.segments = segmentsOf(method, ids.length, () => pieces);
}

/** What the new queries of a layer read. */
export async function readOf(
  sequence: Sequence,
  layer: number,
  cache: CacheLayer,
  { queries, position, inPrompt }: { queries: Float32Array; position: Int32Array; inPrompt: boolean },
): Promise<LayerRead> {
  const { reads, method, step, model, operate, rotary } = sequence;
  if (!hasPages(sequence)) return { reading: { cache }, zones: [], commit() {} };
  return readLayer(cache, {
    method: method.name,
    layer,
    step,
    queries,
    position,
    group: model.config.group,
    inPrompt,
    most: reads.most,
    segments: reads.segments!,
    traffic: reads.traffic,
    operate,
    rotary,
    file: () => pageFile(sequence),
  });
}

/** Closes pages after a step and its keep pass. */
export async function settleReads(sequence: Sequence): Promise<void> {
  if (!hasPages(sequence)) return;
  lookAtText(sequence);
  const { reads, operate, rotary, layers } = sequence;
  await settlePages(layers, {
    segments: reads.segments!,
    traffic: reads.traffic,
    operate,
    rotary,
    file: () => pageFile(sequence),
  });
}

function pageFile({ reads, model, method }: Sequence): Promise<PageFile> {
  if (!model.openPages)
    throw new Error(
      `${method.name}: place on disk: there is no disk on this platform; leave disk out, or raise hostBytes`,
    );
  return (reads.file ??= model.openPages());
}
