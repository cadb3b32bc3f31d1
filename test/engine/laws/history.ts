/** Laws about what happened: chunks, watching, replay, forks and seeds. */
import assert from 'node:assert/strict';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import { decodeFrame, eventKinds, eventParts } from '../../../kernel/src/engine/record/frame.ts';
import { createRecorder, type Recorder } from '../../../kernel/src/engine/record/recorder.ts';
import { forkSequence, type Sequence } from '../../../kernel/src/engine/run/sequence.ts';
import { apart, goOn, promptLength, sameBits, walk } from '../walk.ts';
import { type Law, within } from './law.ts';

export const chunkLaw: Law = {
  number: 11,
  sentence: 'where positions alone decide, or a gate before attention, logits do not depend on the size of chunks',
  concerns: ({ anyChunk }) => anyChunk === true,
  async check(model, { method }) {
    const one = await walk(model, method, { chunk: 1 });
    for (const chunk of [5, promptLength]) {
      const found = await walk(model, method, { chunk });
      assert.ok(
        apart(found.logits, one.logits) < within(model, 1e-5),
        `chunks of ${chunk}: ${apart(found.logits, one.logits)}`,
      );
    }
  },
};

function recorderOf(sequence: Sequence): Recorder {
  const { layers, queryHeads, kvHeads, headSize, context } = sequence.model.config;
  const { name, setting, paper, slots, departures, zones } = sequence.method;
  return createRecorder(sequence, {
    run: 'a run',
    title: 'a walk',
    model: { name: sequence.model.name, layers, queryHeads, kvHeads, headSize, context },
    method: { name, setting, paper, slots, quantizes: false, departures },
    zones,
    promptLength,
    maxTokens: 0,
    device: sequence.model.runtime.device,
    seed: 0,
    sinkCount: 4,
    leftOut: '',
  });
}

export const watchingLaw: Law = {
  number: 14,
  sentence: 'recording changes no bit of the run',
  async check(model, { method }) {
    const alone = await walk(model, method);
    const watched = await walk(model, method, { observer: recorderOf });
    assert.ok(sameBits(watched.logits, alone.logits), `apart by ${apart(watched.logits, alone.logits)}`);
    const heads = watched.sequence.layers.length * watched.sequence.layers[0]!.tables.length;
    for (let head = 0; head < heads; head++) {
      const kept = ({ layers }: Sequence) => {
        const layer = layers[Math.floor(head / layers[0]!.tables.length)]!;
        return keptPositions(layer, head % layers[0]!.tables.length);
      };
      assert.deepEqual(kept(watched.sequence), kept(alone.sequence));
    }
  },
};

/** Zone of each entry per part, from arrivals and recorded events alone: "layer kvHead position" -> [keys, values]. */
function replayed(recorder: Recorder, sequence: Sequence, birthZone: number): Map<string, [number, number]> {
  const { header, buffer } = recorder.snapshot();
  const columns = decodeFrame(header, buffer);
  const { layers, kvHeads } = sequence.model.config;
  const out = new Map<string, [number, number]>();
  for (let l = 0; l < layers; l++)
    for (let h = 0; h < kvHeads; h++)
      for (let position = 0; position < sequence.ids.length; position++)
        out.set(`${l} ${h} ${position}`, [birthZone, birthZone]);
  const read = (name: string) => columns[`event.${name}`]?.data ?? new Uint8Array();
  const [layer, kvHead, position, kind, part, from, to] = (
    ['layer', 'kvHead', 'position', 'kind', 'part', 'from', 'to'] as const
  ).map(read) as ArrayLike<number>[];
  for (let i = 0; i < layer!.length; i++) {
    const name = `${layer![i]} ${kvHead![i]} ${position![i]}`;
    if (eventKinds[kind![i]!] === 'enter') {
      assert.ok(!out.has(name), `event ${i}: ${name} enters and is held`);
      out.set(name, [to![i]!, to![i]!]);
      continue;
    }
    const zones = out.get(name);
    assert.ok(zones, `event ${i} is about ${name}, which is not held`);
    const which = eventParts[part![i]!]!;
    const concerned = which === 'both' ? [0, 1] : [eventParts.indexOf(which)];
    const leaves = ['leave', 'merge'].includes(eventKinds[kind![i]!]!);
    // An entry leaves whole, and is said to leave the zone of its key.
    for (const p of leaves ? [0] : concerned)
      assert.equal(zones[p], from![i], `event ${i} about ${name} comes from another zone`);
    if (leaves) out.delete(name);
    else for (const p of concerned) zones[p] = to![i]!;
  }
  return out;
}

export const replayLaw: Law = {
  number: 15,
  sentence: 'events applied to arrivals rebuild the table at every step',
  async check(model, { method }) {
    let recorder: Recorder | undefined;
    await walk(model, method, {
      observer: (sequence) => (recorder = recorderOf(sequence)),
      onStep: (sequence) => {
        const found = new Map<string, [number, number]>();
        sequence.layers.forEach((layer, l) => {
          layer.tables.forEach((table, h) => {
            for (let e = 0; e < table.count; e++)
              found.set(`${l} ${h} ${table.position[e]}`, [table.zone.keys[e]!, table.zone.values[e]!]);
          });
        });
        const rebuilt = replayed(recorder!, sequence, sequence.layers[0]!.shape.birthZone);
        const sorted = (map: Map<string, [number, number]>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
        assert.deepEqual(sorted(rebuilt), sorted(found));
      },
    });
  },
};

export const forkLaw: Law = {
  number: 15,
  sentence: 'a fork equals an independent run, leaves the original as it was, and equal seeds give equal runs',
  async check(model, { method }) {
    const whole = await walk(model, method, { steps: 8, seed: 5 });
    const trunk = await walk(model, method, { steps: 4, seed: 5 });
    const fork = { sequence: forkSequence(trunk.sequence), logits: trunk.logits };
    const branch = await goOn(fork, { steps: 4 });
    const original = await goOn(trunk, { steps: 4 });
    assert.ok(sameBits(branch.logits, whole.logits), 'the fork differs from an independent run');
    assert.ok(sameBits(original.logits, whole.logits), 'the original was changed by its fork');
    assert.deepEqual(original.sequence.ids, whole.sequence.ids);
  },
};
