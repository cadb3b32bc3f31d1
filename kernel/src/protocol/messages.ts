/** A Jupyter message and its form on the wire: identities, delimiter, signature, four JSON frames, buffers. */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

export const protocolVersion = '5.5';

export interface Header {
  msg_id: string;
  session: string;
  username: string;
  date: string;
  msg_type: string;
  version: string;
  /** Shell messages of a subshell carry its id. */
  subshell_id?: string | null;
}

export type Content = Record<string, unknown>;

export interface Message {
  /** Routing frames of a ROUTER socket, or the topic on iopub. */
  identities: Uint8Array[];
  header: Header;
  parent: Header | Record<string, never>;
  metadata: Content;
  content: Content;
  buffers: Uint8Array[];
}

/** Signs and checks; an empty key turns both off. */
export interface Signer {
  sign(parts: readonly Uint8Array[]): string;
}

const delimiter = Buffer.from('<IDS|MSG>');

/** A signer for a scheme such as `hmac-sha256`. The signature covers the four JSON frames and never the buffers. */
export function signer(scheme: string, key: string): Signer {
  if (key === '') return { sign: () => '' };
  const [kind, hash] = scheme.split('-');
  if (kind !== 'hmac' || !hash)
    throw new Error(`signing: scheme is ${scheme}; only hmac schemes such as hmac-sha256 are known`);
  return {
    sign(parts) {
      const mac = createHmac(hash, key);
      for (const part of parts) mac.update(part);
      return mac.digest('hex');
    },
  };
}

/** A new header of this kernel's own session. */
export function header(type: string, session: string): Header {
  return {
    msg_id: randomUUID(),
    session,
    username: 'kernel',
    date: new Date().toISOString(),
    msg_type: type,
    version: protocolVersion,
  };
}

/** The frames of a message, ready to send. */
export function encode(message: Message, { sign }: Signer): Uint8Array[] {
  const parts = [message.header, message.parent, message.metadata, message.content].map((part) =>
    Buffer.from(JSON.stringify(part)),
  );
  return [...message.identities, delimiter, Buffer.from(sign(parts)), ...parts, ...message.buffers];
}

/** Reads the frames of a message. Throws when they are malformed or the signature is wrong. */
export function decode(frames: readonly Buffer[], { sign }: Signer): Message {
  const at = frames.findIndex((frame) => frame.equals(delimiter));
  if (at < 0) throw new Error('message: no delimiter frame; the sender does not speak the Jupyter protocol');
  const [signature, ...rest] = frames.slice(at + 1);
  const parts = rest.slice(0, 4);
  if (!signature || parts.length < 4) throw new Error(`message: ${parts.length} of 4 JSON frames; the message is cut`);
  const expected = Buffer.from(sign(parts));
  // With an empty key nothing is checked, whatever the sender put there.
  if (expected.length > 0 && (expected.length !== signature.length || !timingSafeEqual(expected, signature)))
    throw new Error('message: wrong signature; the sender has another key');
  const [head, parent, metadata, content] = parts.map((part, index) => {
    const value: unknown = JSON.parse(part.toString('utf8'));
    if (value === null || typeof value !== 'object' || Array.isArray(value))
      throw new Error(`message: JSON frame ${index} is not an object`);
    return value as Content;
  });
  if (typeof head!.msg_type !== 'string' || typeof head!.msg_id !== 'string')
    throw new Error('message: header without msg_type or msg_id');
  return {
    identities: frames.slice(0, at),
    header: head as unknown as Header,
    parent: parent as unknown as Header,
    metadata: metadata!,
    content: content!,
    buffers: rest.slice(4),
  };
}
