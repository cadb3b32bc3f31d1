/** The comm between a page and a kernel: opened by the page, so that it survives reloads, restarts and late opening. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { KernelMessage as Jupyter, Kernel } from '@jupyterlab/services';
import {
  type FrameHeader,
  frameTarget,
  frameVersion,
  type KernelMessage,
  type MethodForm,
  type PanelMessage,
} from 'kvlab/frame';
import { changed, endRuns, pointAt, type Store } from '../store/store.ts';
import { type Arrivals, createArrivals } from './arrivals.ts';

export interface Connection {
  send(message: PanelMessage): void;
  /** Tells the kernel whether anything can be seen. */
  setVisible(visible: boolean): void;
  /** Acknowledges what was drawn. */
  drawn(): void;
  dispose(): void;
}

export interface ConnectionEvents {
  /** The kernel asks for the lab or one of its panels. */
  show(panel: string | undefined): void;
  /** The kernel names its methods. */
  methods(forms: readonly MethodForm[]): void;
  /** A kernel listens that knows nothing of this page yet. */
  opened(): void;
}

interface Arrived {
  header: FrameHeader;
  buffer: DataView;
}

/** Connects a store to the kernel of a notebook, and again after each restart and each loss of the connection. */
export function connect(context: ISessionContext, store: Store, events: ConnectionEvents): Connection {
  let comm: Kernel.IComm | undefined;
  let reached: Kernel.IKernelConnection | undefined;
  let visible = true;
  let disposed = false;
  let lost = false;
  let lastAck = 0;
  let arrivals: Arrivals = createArrivals(store, () => undefined);
  let arrived: Arrived[] = [];
  let scheduled = false;

  /** Says why the picture is not live: a sentence for the header, a few words for each panel. */
  const say = (stale: string, away = '') => {
    if (store.stale === stale && store.away === away) return;
    store.stale = stale;
    store.away = away;
    changed(store);
  };
  const send = (message: PanelMessage) => {
    if (comm && !comm.isDisposed && !reached?.isDisposed) comm.send(message as never);
  };
  /** Closes the comm from this side; a kernel connection that is gone has closed it already. */
  const hangUp = () => {
    const old = comm;
    comm = undefined;
    if (!old || old.isDisposed || reached?.isDisposed) return;
    old.onClose = () => {};
    old.close();
  };

  /** Frames are taken in here, not in the message handler: JupyterLab handles messages one after the other. */
  const takeIn = () => {
    scheduled = false;
    const frames = arrived;
    arrived = [];
    for (const { header, buffer } of frames) {
      try {
        arrivals.take(header, buffer);
      } catch (error) {
        say(error instanceof Error ? error.message : String(error));
      }
    }
  };

  const onMessage = (message: Jupyter.ICommMsgMsg) => {
    const data = message.content.data as unknown as KernelMessage;
    if (data.type === 'frame') {
      const [buffer] = message.buffers ?? [];
      if (!buffer) return;
      arrived.push({ header: data, buffer: viewOf(buffer) });
      if (scheduled) return;
      scheduled = true;
      if (document.hidden) setTimeout(takeIn, 100);
      else requestAnimationFrame(takeIn);
    } else if (data.type === 'point') {
      events.show(data.panel);
      pointAt(store, data.selection);
    } else if (data.type === 'methods') events.methods(data.methods);
    else if (data.type === 'sent') {
      takeIn();
      arrivals.sent(data.seq);
    }
  };

  const open = async (kernel: Kernel.IKernelConnection) => {
    await kernel.info;
    if (disposed || kernel !== context.session?.kernel || (comm && !comm.isDisposed)) return;
    lastAck = 0;
    arrived = [];
    arrivals = createArrivals(store, (run) => send({ type: 'snapshot', ...(run === undefined ? {} : { run }) }));
    reached = kernel;
    comm = kernel.createComm(frameTarget);
    comm.onMsg = onMessage;
    comm.onClose = () => say(`The kernel ${kernel.name} sends no frames; choose the kernel kvlab.`, 'no frames');
    comm.open({ version: frameVersion });
    say('');
    if (!visible || document.hidden) send({ type: 'hide' });
    events.opened();
  };
  const attach = () => {
    const kernel = context.session?.kernel;
    if (kernel) void open(kernel).catch((error: unknown) => say(String(error), 'no frames'));
    else leave('this notebook has no kernel; choose kvlab in the menu Kernel', 'no kernel');
  };

  const leave = (why: string, away: string) => {
    comm?.dispose();
    comm = undefined;
    endRuns(store);
    store.chosen = false;
    say(store.runs.size ? `${why}; the last picture is kept` : why, away);
  };

  const kernelChanged = (_: unknown, { newValue }: { newValue: Kernel.IKernelConnection | null }) => {
    if (newValue && store.runs.size) leave('the kernel was changed', 'earlier kernel');
    else if (newValue) leave('the kernel starts', 'kernel starts');
    attach();
  };
  const statusChanged = (_: unknown, status: Kernel.Status) => {
    if (status === 'restarting' || status === 'autorestarting') leave('the kernel restarts', 'kernel restarts');
    else if (status === 'dead')
      leave('the kernel died; choose it again with Change Kernel in the menu Kernel', 'kernel died');
    else if ((status === 'idle' || status === 'busy') && (!comm || comm.isDisposed)) attach();
  };
  const connectionChanged = (_: unknown, status: Kernel.ConnectionStatus) => {
    if (status !== 'connected') {
      if (!comm) return;
      lost = true;
      say('the connection to the kernel is lost; the last picture is kept', 'connection lost');
    } else if (lost) {
      // The kernel may be another one by now, which does not know the comm: a new one is answered by both.
      lost = false;
      hangUp();
      attach();
    }
  };

  context.kernelChanged.connect(kernelChanged);
  context.statusChanged.connect(statusChanged);
  context.connectionStatusChanged.connect(connectionChanged);
  const pageVisibility = () => tellVisible();
  document.addEventListener('visibilitychange', pageVisibility);
  window.addEventListener('pagehide', hangUp);
  attach();

  let told = true;
  function tellVisible(): void {
    const now = visible && !document.hidden;
    if (now === told) return;
    told = now;
    send({ type: now ? 'resume' : 'hide' });
  }

  return {
    send,
    setVisible(value) {
      visible = value;
      tellVisible();
    },
    drawn() {
      if (arrivals.newest <= lastAck || arrived.length) return;
      lastAck = arrivals.newest;
      send({ type: 'ack', seq: lastAck });
    },
    dispose() {
      disposed = true;
      context.kernelChanged.disconnect(kernelChanged);
      context.statusChanged.disconnect(statusChanged);
      context.connectionStatusChanged.disconnect(connectionChanged);
      document.removeEventListener('visibilitychange', pageVisibility);
      window.removeEventListener('pagehide', hangUp);
      hangUp();
    },
  };
}

function viewOf(buffer: ArrayBuffer | ArrayBufferView): DataView {
  return buffer instanceof ArrayBuffer
    ? new DataView(buffer)
    : new DataView(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);
}
