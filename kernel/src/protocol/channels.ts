/** The five sockets of a kernel. Sends of one socket go through one queue, because zeromq takes one at a time. */
import { Reply, Router, XPublisher } from 'zeromq';
import { address, type Connection } from './connection.ts';
import { decode, encode, type Message, signer } from './messages.ts';

export type RequestChannel = 'shell' | 'control' | 'stdin';
export type Channel = RequestChannel | 'iopub';

export interface Channels {
  send(channel: Channel, message: Message): void;
  /** Messages that were refused: wrong signature, cut or malformed. */
  refused(): number;
  /** Sends what is queued, then closes all sockets. */
  close(): Promise<void>;
}

export interface ChannelEvents {
  message(channel: RequestChannel, message: Message): void;
  /** A client subscribed to a topic of iopub. */
  subscribed(topic: Buffer): void;
}

interface SendQueue {
  push(frames: Uint8Array[]): void;
  drained(): Promise<void>;
}

function sendQueue(send: (frames: Uint8Array[]) => Promise<void>): SendQueue {
  let waiting: Uint8Array[][] = [];
  let draining: Promise<void> | undefined;
  async function drain() {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      for (const frames of batch)
        try {
          await send(frames);
        } catch {
          // The peer is gone or the socket is closing: nobody is left to read it.
        }
    }
    draining = undefined;
  }
  return {
    push(frames) {
      waiting.push(frames);
      draining ??= drain();
    },
    drained: async () => draining,
  };
}

/** Binds all channels and calls `events` for each good message. */
export async function openChannels(connection: Connection, events: ChannelEvents): Promise<Channels> {
  const sign = signer(connection.signature_scheme, connection.key);
  const options = { sendHighWaterMark: 0, receiveHighWaterMark: 0, linger: 1000 };
  const routers = {
    shell: new Router({ ...options, handover: true }),
    control: new Router({ ...options, handover: true }),
    stdin: new Router({ ...options, handover: true }),
  };
  // An ordinary publisher drops silently at its high water mark, even when each send is awaited.
  const iopub = new XPublisher({ sendHighWaterMark: 0, linger: 1000, verbosity: 'allSubs' });
  const heartbeat = new Reply({ linger: 0 });
  await Promise.all([
    routers.shell.bind(address(connection, 'shell_port')),
    routers.control.bind(address(connection, 'control_port')),
    routers.stdin.bind(address(connection, 'stdin_port')),
    iopub.bind(address(connection, 'iopub_port')),
    heartbeat.bind(address(connection, 'hb_port')),
  ]);
  const queues = {
    shell: sendQueue((frames) => routers.shell.send(frames)),
    control: sendQueue((frames) => routers.control.send(frames)),
    stdin: sendQueue((frames) => routers.stdin.send(frames)),
    iopub: sendQueue((frames) => iopub.send(frames)),
  };
  let refused = 0;
  let closed = false;

  async function listen(name: RequestChannel) {
    while (!closed) {
      let frames: Buffer[];
      try {
        frames = await routers[name].receive();
      } catch {
        return;
      }
      let message: Message;
      try {
        message = decode(frames, sign);
      } catch {
        refused += 1;
        continue;
      }
      events.message(name, message);
    }
  }
  async function subscriptions() {
    for await (const [frame] of iopub) if (frame && frame[0] === 1) events.subscribed(frame.subarray(1));
  }
  async function beat() {
    for await (const frames of heartbeat) await heartbeat.send(frames);
  }
  // Loops end with a rejection when their socket is closed; that is their regular end.
  for (const loop of [listen('shell'), listen('control'), listen('stdin'), subscriptions(), beat()])
    loop.catch(() => undefined);

  return {
    send: (channel, message) => queues[channel].push(encode(message, sign)),
    refused: () => refused,
    async close() {
      await Promise.all(Object.values(queues).map((queue) => queue.drained()));
      closed = true;
      for (const socket of [...Object.values(routers), iopub, heartbeat]) socket.close();
    },
  };
}
