/** What a kernel says: replies to the one who asked, and publications to all, under one session id of its own. */
import { randomUUID } from 'node:crypto';
import type { Channels, RequestChannel } from './channels.ts';
import { type Content, type Header, header, type Message } from './messages.ts';

export interface Request {
  channel: RequestChannel;
  message: Message;
}

export interface Extras {
  parent?: Header | Record<string, never>;
  metadata?: Content;
  buffers?: Uint8Array[];
}

export interface Session {
  id: string;
  reply(request: Request, type: string, content: Content): void;
  publish(type: string, content: Content, extras?: Extras): void;
  /** Asks the client that made the request for a line of text. */
  ask(request: Request, content: Content): void;
  status(state: 'starting' | 'busy' | 'idle', parent: Header | Record<string, never>): void;
}

/** A session over the channels, which open a moment later. */
export function createSession(channels: () => Channels | undefined): Session {
  const id = randomUUID();
  function publish(type: string, content: Content, { parent = {}, metadata = {}, buffers = [] }: Extras = {}) {
    channels()?.send('iopub', {
      identities: [Buffer.from(`kernel.${id}.${type}`)],
      header: header(type, id),
      parent,
      metadata,
      content,
      buffers,
    });
  }
  function answer(channel: RequestChannel, { message }: Request, type: string, content: Content) {
    channels()?.send(channel, {
      identities: message.identities,
      header: header(type, id),
      parent: message.header,
      metadata: {},
      content,
      buffers: [],
    });
  }
  return {
    id,
    publish,
    reply: (request, type, content) => answer(request.channel, request, type, content),
    // A client uses one identity for its shell and stdin sockets.
    ask: (request, content) => answer('stdin', request, 'input_request', content),
    status: (execution_state, parent) => publish('status', { execution_state }, { parent }),
  };
}
