/** A prompt: what a run reads before it writes. */
import type { ChatMessage } from '../model/chat.ts';
import type { Model } from '../model/load.ts';

/** Text, a conversation, or token ids. */
export type Prompt = string | readonly ChatMessage[] | Uint32Array | readonly number[];

/** Ids of a prompt; a conversation goes through the model's chat template. */
export function promptIds(model: Model, prompt: Prompt): number[] {
  const empty = new Error('generate: the prompt is empty; give text, messages or token ids');
  if (prompt.length === 0) throw empty;
  const ids =
    typeof prompt === 'string'
      ? model.tokenizer.encode(prompt).ids
      : prompt instanceof Uint32Array || typeof prompt[0] === 'number'
        ? (prompt as ArrayLike<number>)
        : model.tokenizer.encode(model.chat(prompt as readonly ChatMessage[])).ids;
  if (ids.length === 0) throw empty;
  return Array.from(ids);
}
