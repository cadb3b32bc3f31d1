/** The connection file: which addresses the kernel binds and how messages are signed. */
import { readFileSync } from 'node:fs';

export interface Connection {
  transport: 'tcp' | 'ipc';
  ip: string;
  shell_port: number;
  control_port: number;
  iopub_port: number;
  stdin_port: number;
  hb_port: number;
  /** Empty: messages are neither signed nor checked. */
  key: string;
  signature_scheme: string;
  kernel_name?: string;
}

const ports = ['shell_port', 'control_port', 'iopub_port', 'stdin_port', 'hb_port'] as const;

/** Reads and checks a connection file. */
export function readConnection(path: string): Connection {
  let parsed: Partial<Connection>;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(
      `connection file: cannot read ${path}: ${(error as Error).message}; start the kernel through Jupyter, which writes this file`,
    );
  }
  for (const port of ports)
    if (!Number.isInteger(parsed[port]))
      throw new Error(`connection file: ${port} is ${parsed[port]} in ${path}; it must be a port number`);
  return { transport: 'tcp', ip: '127.0.0.1', key: '', signature_scheme: 'hmac-sha256', ...parsed } as Connection;
}

/** Address of one channel. */
export function address(connection: Connection, port: (typeof ports)[number]): string {
  return connection.transport === 'ipc'
    ? `ipc://${connection.ip}-${connection[port]}`
    : `tcp://${connection.ip}:${connection[port]}`;
}
