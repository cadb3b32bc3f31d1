/** Chat messages to text, by the template that the model's file carries. */
import { Template } from '@huggingface/jinja';
import type { Gguf } from './gguf.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | (string & {});
  content: string;
}

/** The function that writes a conversation as text, ending where the assistant begins to speak. Throws for models without
 *  a template, and for messages that the template refuses. */
export function chatTemplate({ path, metadata }: Gguf, { bos, eos, decode }: Tokenizer) {
  const source = metadata.get('tokenizer.chat_template');
  let template: Template | undefined;
  const mark = (id: number | undefined) => (id === undefined ? '' : decode([id]));
  return (messages: readonly ChatMessage[]): string => {
    if (typeof source !== 'string')
      throw new Error(`${path}: it has no chat template; give the prompt as a string instead of messages`);
    if (messages.length === 0) throw new Error('chat: there are no messages; give at least one of role user');
    template ??= new Template(source);
    return template.render({ messages, add_generation_prompt: true, bos_token: mark(bos), eos_token: mark(eos) });
  };
}
