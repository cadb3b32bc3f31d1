/** What a finished run leaves in its notebook: the run for our panels, HTML and a PNG for other viewers, text for all. */
import { bundleMime, decodeFrame, type Frame } from '../frame.ts';
import { base64Of } from './base64.ts';
import { factsOf } from './facts.ts';
import { fitBundle } from './fit.ts';
import { htmlOf } from './html.ts';
import { density, drawRun } from './picture.ts';
import { pngOf } from './png.ts';
import { textOf } from './text.ts';

/** Makes the display bundle of a run from everything that it recorded. Throws when the frame is no snapshot. */
export async function runBundle(
  snapshot: Frame,
): Promise<{ bundle: Record<string, string | object>; metadata: Record<string, unknown> }> {
  const { header } = snapshot;
  if (!header.info)
    throw new Error(
      `bundle: the frame of run ${header.run} has no info; give the snapshot of the whole run, not one of its frames`,
    );
  const columns = decodeFrame(header, snapshot.buffer);
  const facts = factsOf(header, header.info, columns);
  const picture = drawRun(facts, columns, header.texts);
  const base64 = base64Of(await pngOf(picture));
  const size = { width: picture.width / density, height: picture.height / density };
  const { bundle: forPanels, leftOut } = await fitBundle(header, columns);
  return {
    bundle: {
      ...(forPanels && { [bundleMime]: forPanels }),
      'text/html': htmlOf(facts, header.texts, { base64, ...size }, leftOut),
      'image/png': base64,
      'text/plain': textOf(facts, leftOut),
    },
    metadata: { 'image/png': size },
  };
}
