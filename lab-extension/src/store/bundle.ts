/** Reads the bundle of a saved notebook. It is data from anybody, so everything is checked before it is used. */
import { type FrameHeader, frameVersion } from 'kvlab/frame';

/** Largest buffer that is decoded, in bytes. */
export const bundleLimit = 16 * 2 ** 20;

/** Checks a bundle and decodes its buffer. Throws with what is wrong. */
export async function readBundle(
  data: unknown,
): Promise<{ header: FrameHeader; buffer: ArrayBuffer; leftOut: string }> {
  const fail = (what: string): never => {
    throw new Error(`bundle: ${what}; run the cell again to make a new one`);
  };
  if (typeof data !== 'object' || data === null) fail(`the output holds ${data === null ? 'null' : typeof data}`);
  const { version, header, base64, packed, leftOut } = data as Record<string, unknown>;
  if (version !== frameVersion) fail(`version is ${String(version)}, this reader knows ${frameVersion}`);
  if (typeof base64 !== 'string') return fail('it has no buffer');
  if (base64.length * 0.75 > bundleLimit) fail(`its buffer is larger than ${bundleLimit / 2 ** 20} MiB`);
  if (packed !== undefined && packed !== 'deflate')
    fail(`its buffer is packed by ${String(packed)}, which is not known`);
  const checked = checkHeader(header, fail);
  let bytes: string;
  try {
    bytes = atob(base64);
  } catch {
    return fail('its buffer is not base64');
  }
  const stored = Uint8Array.from(bytes, (c) => c.charCodeAt(0));
  const buffer = packed ? await inflated(stored, fail) : stored.buffer;
  return { header: checked, buffer, leftOut: typeof leftOut === 'string' ? leftOut : '' };
}

/** Unpacks a buffer and stops at the limit, whatever the rest would become. */
async function inflated(stored: Uint8Array<ArrayBuffer>, fail: (what: string) => never): Promise<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = new Blob([stored]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => fail('its buffer is damaged'));
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    size += value.length;
    if (size <= bundleLimit) continue;
    await reader.cancel();
    fail(`its buffer unpacks to more than ${bundleLimit / 2 ** 20} MiB`);
  }
}

function checkHeader(header: unknown, fail: (what: string) => never): FrameHeader {
  if (typeof header !== 'object' || header === null) return fail('it has no header');
  const { type, run, step, info, texts, columns } = header as Record<string, unknown>;
  if (type !== 'frame' || typeof run !== 'string' || !isCount(step)) return fail('its header is no frame');
  if (!isInfo(info)) return fail('it does not say which model and method it shows');
  if (!Array.isArray(texts) || !texts.every((text) => typeof text?.text === 'string'))
    return fail('its tokens are not texts');
  const sound = (entry: Record<string, unknown> | null) =>
    typeof entry?.name === 'string' &&
    Array.isArray(entry.shape) &&
    entry.shape.every(isCount) &&
    isCount(entry.offset);
  if (!Array.isArray(columns) || !columns.every(sound)) return fail('its list of columns is damaged');
  return header as FrameHeader;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}

function isInfo(info: unknown): boolean {
  if (typeof info !== 'object' || info === null) return false;
  const { model, method, zones, promptLength, maxTokens, sinkCount } = info as Record<
    string,
    Record<string, unknown> | undefined
  >;
  const sizes = [model?.layers, model?.queryHeads, model?.kvHeads];
  return (
    sizes.every((size) => isCount(size) && size > 0 && size <= 1024) &&
    [promptLength, maxTokens].every((n) => isCount(n) && n <= 2 ** 20) &&
    isCount(sinkCount) &&
    Array.isArray(zones) &&
    typeof method?.name === 'string' &&
    Array.isArray(method.slots)
  );
}
