/** The runs of a comparison's lanes beside it in one bundle, each cut down to its part of the room. */
import { type Bundle, decodeFrame, type Frame } from '../frame.ts';
import { bundleBytes, fitBundle } from './fit.ts';

const sizeOf = (bundle: Bundle): number => new TextEncoder().encode(JSON.stringify(bundle)).length;

/** The bundle of a comparison with as many of its runs as there is room for. What is left out is said: of each run in its own
 *  words, and here which runs are missing. */
export async function fitComparison(
  comparison: Frame,
  runs: readonly Frame[],
  limit = bundleBytes,
): Promise<{ bundle?: Bundle; leftOut: string }> {
  const columns = decodeFrame(comparison.header, comparison.buffer);
  const { bundle, leftOut } = await fitBundle(comparison.header, columns, runs.length ? limit / 2 : limit);
  if (!bundle || runs.length === 0) return { ...(bundle && { bundle }), leftOut };
  const lanes: Bundle[] = [];
  const missing: string[] = [];
  // Room for the names of runs that are missing, and for what stands around the list.
  let room = limit - sizeOf(bundle) - 64 - runs.reduce((n, { header }) => n + 8 + header.info!.method.name.length, 0);
  for (const [i, { header, buffer }] of runs.entries()) {
    const share = Math.floor(room / (runs.length - i));
    const fit = await fitBundle(header, decodeFrame(header, buffer), share);
    if (!fit.bundle) {
      missing.push(header.info!.method.name);
      continue;
    }
    lanes.push(fit.bundle);
    room -= sizeOf(fit.bundle) + 1;
  }
  const words = [leftOut, missing.length ? `the runs of ${missing.join(' and ')}` : ''].filter(Boolean).join(', ');
  return { bundle: { ...bundle, leftOut: words, ...(lanes.length ? { lanes } : {}) }, leftOut: words };
}
