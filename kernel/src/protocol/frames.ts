/** The hub of frames: keeps the runs of the notebook and tells each page what it does not have yet.
 *
 *  It lives in the protocol process, so that a panel gets its picture while the child is busy. */
import type { Frame, KernelMessage, PanelMessage, Selection } from '../engine/record/frame.ts';
import { createRunLog, type Mark, type RunLog } from './run-log.ts';

/** All runs together, in bytes. */
export const hubLimit = 64 * 1024 * 1024;
const frameMs = 1000 / 30;
/** Frames that a page may have without having drawn them. */
const credits = 2;
/** A page that acknowledges nothing for this long gets one frame a second. */
const lateMs = 2000;
const lateFrameMs = 1000;
/** A page that has left so many frames without an answer is taken to be gone, and gets no more until it is heard. */
const mostUnanswered = 60;

interface Client {
  hidden: boolean;
  seq: number;
  acked: number;
  /** Time of the last acknowledgement, or of the first frame that waits for one. */
  heardAt: number;
  sentAt: number;
  /** Number of the frame after which the client was told how many were sent. */
  reminded: number;
  marks: Map<string, Mark>;
}

export interface HubEvents {
  send(comm: string, message: KernelMessage, buffer?: ArrayBuffer): void;
  /** A page asks which methods there are. */
  methods(comm: string): void;
  /** A panel asks for something that only the library can do. */
  forward(message: PanelMessage): void;
  /** Something was dropped; says what. */
  notice(text: string): void;
}

export interface Hub {
  publish(frame: Frame): void;
  open(comm: string): void;
  message(comm: string, message: PanelMessage): void;
  close(comm: string): void;
  /** Ends the runs that were going on, with the reason. */
  endRuns(reason: string): void;
  point(selection: Selection, panel?: string): void;
  /** Bytes held by all runs. */
  bytes(): number;
  stop(): void;
}

function isPanelMessage(message: unknown): message is PanelMessage {
  return typeof (message as { type?: unknown } | null)?.type === 'string';
}

export function createHub(events: HubEvents, limit = hubLimit): Hub {
  const runs = new Map<string, RunLog>();
  const clients = new Map<string, Client>();
  let timer: NodeJS.Timeout | undefined;

  function total(): number {
    let sum = 0;
    for (const run of runs.values()) sum += run.bytes;
    return sum;
  }
  function isOver({ state }: RunLog): boolean {
    return state !== 'running' && state !== 'paused';
  }
  function tellRuns(comm: string) {
    events.send(comm, { type: 'runs', runs: [...runs.values()].flatMap(({ info }) => (info ? [info] : [])) });
  }

  function makeRoom() {
    while (total() > limit) {
      const oldest = [...runs.values()].find(isOver);
      if (oldest && runs.size > 1) {
        runs.delete(oldest.run);
        for (const [comm, client] of clients) {
          client.marks.delete(oldest.run);
          tellRuns(comm);
        }
        events.notice(
          `panels: run "${oldest.info?.title ?? oldest.run}" was dropped, the oldest that had ended, because panels keep ${Math.round(limit / 2 ** 20)} MiB of a notebook's runs\n`,
        );
        continue;
      }
      const largest = [...runs.values()].sort((a, b) => b.bytes - a.bytes)[0];
      const before = total();
      largest?.thin();
      // What cannot be halved any more is its newest state.
      if (total() >= before) return;
    }
  }

  function sendRun(comm: string, client: Client, run: RunLog) {
    const now = performance.now();
    if (client.seq === client.acked) client.heardAt = now;
    client.seq += 1;
    client.sentAt = now;
    const { frame, mark } = run.since(client.marks.get(run.run), client.seq);
    client.marks.delete(run.run);
    client.marks.set(run.run, mark);
    events.send(comm, frame.header, frame.buffer);
  }
  /** The run with news that the client has waited for longest: marks are kept in the order of sending. */
  function waiting(client: Client): RunLog | undefined {
    for (const run of runs.values()) if (!client.marks.has(run.run)) return run;
    for (const [name, mark] of client.marks) {
      const run = runs.get(name);
      if (run && mark.frames < run.frames) return run;
    }
    return undefined;
  }
  /** Earliest time at which the client may get another frame. */
  function dueAt(client: Client): number {
    const unanswered = client.seq - client.acked;
    if (unanswered >= mostUnanswered) return Infinity;
    return unanswered >= credits
      ? Math.max(client.heardAt + lateMs, client.sentAt + lateFrameMs)
      : client.sentAt + frameMs;
  }

  /** Tells a client that owes an answer, and gets nothing new, how many frames it should have: the last may be lost. */
  function remind(comm: string, client: Client): number {
    if (client.acked === client.seq || client.reminded === client.seq) return Infinity;
    const due = client.sentAt + lateMs;
    if (due > performance.now()) return due;
    client.reminded = client.seq;
    events.send(comm, { type: 'sent', seq: client.seq });
    return Infinity;
  }

  function serve() {
    clearTimeout(timer);
    timer = undefined;
    let next = Infinity;
    for (const [comm, client] of clients) {
      if (client.hidden) continue;
      const run = waiting(client);
      if (run && dueAt(client) <= performance.now()) sendRun(comm, client, run);
      next = Math.min(next, waiting(client) ? dueAt(client) : remind(comm, client));
    }
    if (next < Infinity) timer = setTimeout(serve, Math.max(1, next - performance.now()));
  }

  function snapshot(comm: string, client: Client, name?: string) {
    const wanted = [...runs.values()].filter(({ run }) => name === undefined || run === name);
    for (const run of wanted) {
      client.marks.delete(run.run);
      sendRun(comm, client, run);
    }
  }

  return {
    publish(frame) {
      const { run } = frame.header;
      const log = runs.get(run) ?? createRunLog(run);
      log.add(frame);
      runs.set(run, log);
      makeRoom();
      serve();
    },
    open(comm) {
      const client: Client = {
        hidden: false,
        seq: 0,
        acked: 0,
        heardAt: 0,
        sentAt: -Infinity,
        reminded: 0,
        marks: new Map(),
      };
      clients.set(comm, client);
      tellRuns(comm);
      snapshot(comm, client);
      serve();
    },
    message(comm, message) {
      const client = clients.get(comm);
      if (!client || !isPanelMessage(message)) return;
      switch (message.type) {
        case 'ack':
          client.acked = Math.max(client.acked, Math.min(client.seq, Number(message.seq) || 0));
          client.heardAt = performance.now();
          return serve();
        case 'snapshot':
          // Whoever asks is there: what it has not answered it will not answer any more.
          client.acked = client.seq;
          client.heardAt = performance.now();
          snapshot(comm, client, message.run);
          return serve();
        case 'hide':
          client.hidden = true;
          return;
        case 'resume':
          client.hidden = false;
          return serve();
        case 'methods':
          return events.methods(comm);
        default:
          return events.forward(message);
      }
    },
    close: (comm) => void clients.delete(comm),
    endRuns(reason) {
      for (const run of runs.values()) run.end('failed', reason);
      serve();
    },
    point(selection, panel) {
      for (const comm of clients.keys()) events.send(comm, { type: 'point', selection, panel });
    },
    bytes: total,
    stop() {
      clearTimeout(timer);
    },
  };
}
