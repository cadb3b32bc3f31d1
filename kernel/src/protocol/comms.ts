/** All comms of the kernel: those of the panels, answered here, and those of user code, which live in the child. */
import { randomUUID } from 'node:crypto';
import type { CommEvent, FromChild } from '../cells/wire.ts';
import { type FrameHeader, frameTarget, type PanelMessage, showTarget } from '../engine/record/frame.ts';
import { createHub, type Hub } from './frames.ts';
import type { Content, Header } from './messages.ts';
import type { Runner } from './runner.ts';
import type { Request, Session } from './session.ts';

export interface Comms {
  /** Takes `comm_open`, `comm_msg` and `comm_close` of a client. */
  request(request: Request): void;
  /** Content of `comm_info_reply`. */
  list(target: unknown): Content;
  /** Takes what the child says to the page; false for other messages. */
  receive(message: FromChild): boolean;
  /** Closes the comms of user code, whose process is gone, and ends its runs. */
  childGone(reason: string): void;
  stop(): void;
}

interface Parts {
  session: Session;
  runner: Runner;
  parentOf(run: number | undefined): Header | Record<string, never>;
  notice(text: string): void;
}

export function createComms({ session, runner, parentOf, notice }: Parts): Comms {
  const open = new Map<string, { target: string; ours: boolean }>();
  let targets = new Set<string>();

  const hub: Hub = createHub({
    send: (comm_id, message, buffer) =>
      session.publish('comm_msg', { comm_id, data: message }, { buffers: buffer ? [new Uint8Array(buffer)] : [] }),
    methods(comm_id) {
      // Loaded when it is asked for: the library of methods is not needed to run cells.
      import('../engine/record/forms.ts').then(
        ({ methodForms }) => {
          const data = { type: 'methods', methods: methodForms() };
          session.publish('comm_msg', { comm_id, data });
        },
        (error: unknown) => notice(`panels: the list of methods could not be made: ${String(error)}\n`),
      );
    },
    forward: (message) => runner.send({ type: 'panel', message }),
    notice,
  });

  function fromClient(action: CommEvent['action'], { message }: Request): CommEvent {
    const { content, metadata, buffers } = message;
    return {
      type: 'comm',
      action,
      comm: String(content.comm_id),
      target: typeof content.target_name === 'string' ? content.target_name : undefined,
      data: content.data ?? {},
      metadata,
      buffers,
    };
  }

  function publishEvent({ action, comm, target, data, metadata, buffers, run }: CommEvent) {
    const parent = parentOf(run);
    if (action === 'open') open.set(comm, { target: target ?? '', ours: false });
    if (action === 'close') open.delete(comm);
    const type = { open: 'comm_open', message: 'comm_msg', close: 'comm_close' }[action];
    const content = { comm_id: comm, data, ...(action === 'open' && { target_name: target }) };
    session.publish(type, content, { parent, metadata, buffers });
  }

  return {
    request(request) {
      const { header, content } = request.message;
      const id = String(content.comm_id);
      const known = open.get(id);
      switch (header.msg_type) {
        case 'comm_open': {
          const target = String(content.target_name);
          const ours = target === frameTarget;
          if (!ours && !targets.has(target)) {
            session.publish('comm_close', { comm_id: id, data: {} }, { parent: header });
            return;
          }
          open.set(id, { target, ours });
          if (ours) hub.open(id);
          else runner.send(fromClient('open', request));
          return;
        }
        case 'comm_msg':
          if (known?.ours) hub.message(id, content.data as PanelMessage);
          else if (known) runner.send(fromClient('message', request));
          return;
        case 'comm_close':
          open.delete(id);
          if (known?.ours) hub.close(id);
          else if (known) runner.send(fromClient('close', request));
          return;
      }
    },
    list(target) {
      const shown = [...open].filter(([, one]) => typeof target !== 'string' || target === '' || one.target === target);
      return { status: 'ok', comms: Object.fromEntries(shown.map(([id, one]) => [id, { target_name: one.target }])) };
    },
    receive(message) {
      switch (message.type) {
        case 'comm':
          publishEvent(message);
          return true;
        case 'targets':
          targets = new Set(message.names);
          return true;
        case 'frame':
          try {
            hub.publish({ header: message.header as FrameHeader, buffer: message.buffer });
          } catch (error) {
            notice(`${(error as Error).message}\n`);
          }
          return true;
        case 'show': {
          const content = {
            comm_id: randomUUID(),
            target_name: showTarget,
            data: { ...(message.panel && { panel: message.panel }), ...(message.depth && { depth: message.depth }) },
          };
          session.publish('comm_open', content, { parent: parentOf(message.run) });
          return true;
        }
        case 'point':
          hub.point(message.selection, message.panel);
          return true;
        default:
          return false;
      }
    },
    childGone(reason) {
      targets = new Set();
      for (const [comm, { ours }] of open) {
        if (ours) continue;
        open.delete(comm);
        session.publish('comm_close', { comm_id: comm, data: {} });
      }
      hub.endRuns(reason);
    },
    stop: () => hub.stop(),
  };
}
