/** A wire to a server that can be cut and mended, for a page that loses its connection. */
import { connect, createServer, type Socket } from 'node:net';

export interface Wire {
  readonly port: number;
  /** Ends all connections and lets no new one through. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** Opens a port that leads to another one of this machine. */
export async function wireTo(target: number): Promise<Wire> {
  const open = new Set<Socket>();
  let whole = true;
  const server = createServer((near) => {
    if (!whole) return near.destroy();
    const far = connect(target, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('wire: it has no port');
  const cut = () => {
    whole = false;
    for (const socket of open) socket.destroy();
  };
  return {
    port: address.port,
    cut,
    mend() {
      whole = true;
    },
    close() {
      cut();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}
