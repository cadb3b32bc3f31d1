/** ONNX Runtime Web behind a small interface: open a device, create sessions, run them.
 *
 *  Nothing here knows Node or a browser; what differs between them is a `Platform`. */
import type { Device, Graphics, Platform } from './platform.ts';
import type { ExternalData, Session } from './session.ts';
import { createSession } from './session.ts';

export interface Runtime {
  device: Device;
  /** Why this device, in words. */
  why: string;
  /** Threads of the WebAssembly module. */
  threads: number;
  /** Creates a session; weights that the graph names by path lie in `externalData` and may be freed afterwards. */
  create(model: Uint8Array, externalData?: readonly ExternalData[]): Promise<Session>;
  /** Releases every session that is still open. */
  release(): Promise<void>;
}

export interface RuntimeOptions {
  /** Threads of the WebAssembly module; all cores up to four by default. The first runtime of a process decides. */
  threads?: number;
  platform?: Platform;
}

/** Opens a device. `auto` takes WebGPU where a real adapter exists and wasm otherwise; `webgpu` accepts a software adapter
 *  and throws where there is none. */
export async function openRuntime(device: 'auto' | Device, options: RuntimeOptions = {}): Promise<Runtime> {
  if (device !== 'auto' && device !== 'wasm' && device !== 'webgpu')
    throw new TypeError(`runtime: there is no device ${JSON.stringify(device)}; use 'auto', 'wasm' or 'webgpu'`);
  const platform = options.platform ?? (await nodePlatform());
  const graphics = device === 'wasm' ? undefined : await platform.graphics(device === 'webgpu');
  if (device === 'webgpu' && !graphics?.device)
    throw new Error(
      `runtime: webgpu was asked for and ${graphics?.why}; use 'auto' or 'wasm', which need no graphics device`,
    );

  const chosen: Device = graphics?.device ? 'webgpu' : 'wasm';
  const { ort, threads } = await platform.ort(chosen, options.threads ?? platform.threads);
  const found = graphics?.device ? graphics : undefined;
  const providers = found ? [{ name: 'webgpu' as const, device: found.device as never }] : ['wasm' as const];
  const sessions = new Set<Session>();
  return {
    device: chosen,
    why: reason(device, graphics),
    threads,
    async create(model, externalData = []) {
      const session = await createSession(ort, providers, model, externalData, () => found?.lost());
      const tracked: Session = {
        ...session,
        release() {
          sessions.delete(tracked);
          return session.release();
        },
      };
      sessions.add(tracked);
      return tracked;
    },
    async release() {
      await Promise.all([...sessions].map((session) => session.release()));
      found?.release();
    },
  };
}

/** The platform of this process. Imported when asked for, so that a browser never loads it. */
export async function nodePlatform(): Promise<Platform> {
  return (await import('./node.ts')).node;
}

function reason(asked: 'auto' | Device, graphics: Graphics | undefined): string {
  if (!graphics) return 'wasm was asked for';
  if (!graphics.device) return `wasm, because ${graphics.why}`;
  const kind = graphics.software ? 'a software adapter, slow' : 'a graphics adapter';
  return `${asked === 'webgpu' ? 'webgpu was asked for; ' : ''}${graphics.name} is ${kind}`;
}
