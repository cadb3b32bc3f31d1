/** What panels are told of a run before it starts. */
import { type Method, methods } from '@kvlab/ops';
import { usualLinks } from '../cache/traffic.ts';
import type { ChatMessage } from '../model/chat.ts';
import type { Model } from '../model/load.ts';
import type { RunInfo } from '../record/frame.ts';
import { slotsOf } from '../record/slots.ts';
import type { Prompt } from './prompt.ts';
import type { Sampler } from './sampler.ts';
import type { Sequence } from './sequence.ts';

/** The first words of what was asked: of the newest user message, or of the text. */
export function titleOf(model: Model, prompt: Prompt, ids: readonly number[]): string {
  const messages = Array.isArray(prompt) && typeof prompt[0] === 'object' ? (prompt as readonly ChatMessage[]) : [];
  const asked = messages.findLast(({ role }) => role === 'user')?.content;
  const words = (asked ?? model.tokenizer.decode(ids, { special: false })).trim().split(/\s+/);
  const title = words.slice(0, 4).join(' ');
  return title.length > 40 ? `${title.slice(0, 39)}…` : title || 'run';
}

/** Facts about a run on a sequence that is still empty. */
export function runInfo(
  { model, method, reads }: Pick<Sequence, 'model' | 'method'> & Partial<Pick<Sequence, 'reads'>>,
  about: { run: string; title: string; promptLength: number; maxTokens?: number; seed?: number; sampler?: Sampler },
): RunInfo {
  const { run, title, promptLength, maxTokens = 64, seed = 0, sampler = 'greedy' } = about;
  const { layers, queryHeads, kvHeads, headSize, context } = model.config;
  return {
    run,
    title,
    model: { name: model.name, layers, queryHeads, kvHeads, headSize, context },
    method: {
      name: method.name,
      setting: method.setting,
      paper: method.paper,
      ...callOf(method),
      slots: slotsOf(method),
      quantizes: method.zones.some(
        (zone) => !method.encodingOf(zone, 'keys').exact || !method.encodingOf(zone, 'values').exact,
      ),
      departures: method.departures,
      ...(method.changeable.length ? { changeable: method.changeable } : {}),
    },
    zones: method.zones,
    promptLength,
    maxTokens,
    device: `${model.runtime.device}${model.runtime.device === 'wasm' ? `, ${model.runtime.threads} threads` : ''}`,
    seed,
    sampler: JSON.stringify(sampler),
    sinkCount: 4,
    leftOut: '',
    ...(method.zones.some((zone) => method.placeOf(zone).tier !== 'device')
      ? { links: reads?.links ?? usualLinks }
      : {}),
  };
}

/** How a cell writes a method of the library, and its options; a method of a cell's own has no such name. */
function callOf({ name, options }: Method): { call?: string; options: Record<string, string | number | boolean> } {
  const plain = Object.fromEntries(
    Object.entries(options).filter(
      ([, value]) => ['string', 'boolean'].includes(typeof value) || Number.isFinite(value),
    ),
  ) as Record<string, string | number | boolean>;
  const [key, factory] = Object.entries(methods).find(([, factory]) => factory.methodName === name) ?? [];
  if (!key || !factory) return { options: plain };
  const defaults = factory.defaults as Readonly<Record<string, unknown>>;
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const given = Object.entries(options).filter(
    ([option, value]) => value !== undefined && !same(defaults[option], value),
  );
  // An operator or a table of zones cannot be written in one line.
  if (given.some(([, value]) => [value].flat().some((v) => typeof v === 'object' || typeof v === 'function')))
    return { options: plain };
  const words = given.map(([option, value]) => `${option}: ${JSON.stringify(value)}`).join(', ');
  return { call: `methods.${key}(${words ? `{ ${words} }` : ''})`, options: plain };
}
