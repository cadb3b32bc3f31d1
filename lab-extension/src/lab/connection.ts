/** The comm between a page and a kernel: opened by the page, so that it survives reloads, restarts and late opening. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { KernelMessage as Jupyter, Kernel } from '@jupyterlab/services';
import { type FrameHeader, frameTarget, frameVersion, type KernelMessage, type PanelMessage } from 'kvlab/frame';
import { changed, pointAt, receiveFrame, type Store } from '../store/store.ts';

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
}

interface Arrived {
  header: FrameHeader;
  buffer: DataView;
}

/** Connects a store to the kernel of a notebook, and again after each restart. */
export function connect(context: ISessionContext, store: Store, events: ConnectionEvents): Connection {
  let comm: Kernel.IComm | undefined;
  let visible = true;
  let disposed = false;
  let lastSeq = 0;
  let lastAck = 0;
  let arrived: Arrived[] = [];
  let scheduled = false;

  const say = (stale: string) => {
    if (store.stale === stale) return;
    store.stale = stale;
    changed(store);
  };
  const send = (message: PanelMessage) => {
    if (comm && !comm.isDisposed) comm.send(message as never);
  };

  /** Frames are taken in here, not in the message handler: JupyterLab handles messages one after the other. */
  const takeIn = () => {
    scheduled = false;
    const frames = arrived;
    arrived = [];
    for (const { header, buffer } of frames) {
      try {
        if (header.seq !== lastSeq + 1 && !header.snapshot) send({ type: 'snapshot', run: header.run });
        else receiveFrame(store, header, buffer);
      } catch (error) {
        say(error instanceof Error ? error.message : String(error));
      }
      lastSeq = header.seq;
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
    }
  };

  const open = async (kernel: Kernel.IKernelConnection) => {
    await kernel.info;
    if (disposed || kernel !== context.session?.kernel || (comm && !comm.isDisposed)) return;
    lastSeq = lastAck = 0;
    arrived = [];
    comm = kernel.createComm(frameTarget);
    comm.onMsg = onMessage;
    comm.onClose = () => say(`The kernel ${kernel.name} sends no frames; choose the kernel kvlab.`);
    comm.open({ version: frameVersion });
    say('');
    if (!visible) send({ type: 'hide' });
  };

  const leave = (why: string) => {
    comm?.dispose();
    comm = undefined;
    // Ids of runs may come again after a restart: what is known belongs to the kernel that is gone.
    for (const id of store.runs.keys()) store.ended.add(id);
    say(store.runs.size ? `${why}; the last picture is kept` : why);
  };

  const attach = (kernel: Kernel.IKernelConnection | null | undefined) => {
    if (!kernel) return leave('no kernel');
    void open(kernel).catch((error: unknown) => say(String(error)));
  };

  const kernelChanged = (_: unknown, { newValue }: { newValue: Kernel.IKernelConnection | null }) => {
    leave('the kernel was changed');
    attach(newValue);
  };
  const statusChanged = (_: unknown, status: Kernel.Status) => {
    if (status === 'restarting' || status === 'autorestarting') leave('the kernel restarts');
    else if (status === 'dead') leave('the kernel died; restart it from the menu Kernel');
    else if ((status === 'idle' || status === 'busy') && (!comm || comm.isDisposed)) attach(context.session?.kernel);
  };
  const connectionChanged = (_: unknown, status: Kernel.ConnectionStatus) => {
    if (status === 'connected') {
      say('');
      send({ type: 'snapshot' });
    } else if (comm) say('the connection to the kernel is lost; the last picture is kept');
  };

  context.kernelChanged.connect(kernelChanged);
  context.statusChanged.connect(statusChanged);
  context.connectionStatusChanged.connect(connectionChanged);
  const pageVisibility = () => tellVisible();
  document.addEventListener('visibilitychange', pageVisibility);
  attach(context.session?.kernel);

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
      if (lastSeq <= lastAck || arrived.length) return;
      lastAck = lastSeq;
      send({ type: 'ack', seq: lastSeq });
    },
    dispose() {
      disposed = true;
      context.kernelChanged.disconnect(kernelChanged);
      context.statusChanged.disconnect(statusChanged);
      context.connectionStatusChanged.disconnect(connectionChanged);
      document.removeEventListener('visibilitychange', pageVisibility);
      if (comm && !comm.isDisposed) comm.close();
    },
  };
}

function viewOf(buffer: ArrayBuffer | ArrayBufferView): DataView {
  return buffer instanceof ArrayBuffer
    ? new DataView(buffer)
    : new DataView(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);
}
