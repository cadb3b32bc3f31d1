/** What panels are told of a run before it starts. */
import type { ChatMessage } from '../model/chat.ts';
import type { Model } from '../model/load.ts';
import type { RunInfo } from '../record/frame.ts';
import type { Prompt } from './prompt.ts';
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
  { model, method }: Pick<Sequence, 'model' | 'method'>,
  about: { run: string; title: string; promptLength: number; maxTokens?: number; seed?: number },
): RunInfo {
  const { run, title, promptLength, maxTokens = 64, seed = 0 } = about;
  const { layers, queryHeads, kvHeads, headSize, context } = model.config;
  return {
    run,
    title,
    model: { name: model.name, layers, queryHeads, kvHeads, headSize, context },
    method: {
      name: method.name,
      setting: method.setting,
      paper: method.paper,
      slots: method.slots,
      quantizes: method.zones.some(
        (zone) => !method.encodingOf(zone, 'keys').exact || !method.encodingOf(zone, 'values').exact,
      ),
      departures: method.departures,
    },
    zones: method.zones,
    promptLength,
    maxTokens,
    device: `${model.runtime.device}${model.runtime.device === 'wasm' ? `, ${model.runtime.threads} threads` : ''}`,
    seed,
    sinkCount: 4,
    leftOut: '',
  };
}
