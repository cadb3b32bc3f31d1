/** What a finished run leaves in its notebook: the run for our panels, HTML and a PNG for other viewers, text for all. */
import { bundleMime, type Columns, decodeFrame, type Frame, type FrameHeader, type RunInfo } from '../frame.ts';
import { base64Of } from './base64.ts';
import { comparisonFacts, comparisonRows, comparisonSentence } from './comparison-facts.ts';
import { drawComparison } from './comparison-picture.ts';
import { factsOf } from './facts.ts';
import { htmlOf, type InlinePicture, pageOf } from './html.ts';
import { fitComparison } from './lanes.ts';
import type { Picture } from './paint.ts';
import { density, drawRun } from './picture.ts';
import { pngOf } from './png.ts';
import { linesOf, textOf } from './text.ts';

/** Makes the display bundle of a run from everything that it recorded, of a comparison with the runs of its lanes beside it.
 *  Throws when the frame is no snapshot. */
export async function runBundle(
  snapshot: Frame,
  lanes: readonly Frame[] = [],
): Promise<{ bundle: Record<string, string | object>; metadata: Record<string, unknown> }> {
  const { header } = snapshot;
  if (!header.info)
    throw new Error(
      `bundle: the frame of run ${header.run} has no info; give the snapshot of the whole run, not one of its frames`,
    );
  const columns = decodeFrame(header, snapshot.buffer);
  const { bundle: forPanels, leftOut } = await fitComparison(snapshot, lanes);
  const { picture, html, text } = header.info.comparison
    ? comparisonForms(header, header.info, columns, leftOut)
    : runForms(header, header.info, columns, leftOut);
  const base64 = base64Of(await pngOf(picture));
  const size = { width: picture.width / density, height: picture.height / density };
  return {
    bundle: {
      ...(forPanels && { [bundleMime]: forPanels }),
      'text/html': html({ base64, ...size }),
      'image/png': base64,
      'text/plain': text,
    },
    metadata: { 'image/png': size },
  };
}

/** What other viewers than ours are given. */
interface Forms {
  picture: Picture;
  html(picture: InlinePicture): string;
  text: string;
}

function runForms(header: FrameHeader, info: RunInfo, columns: Columns, leftOut: string): Forms {
  const facts = factsOf(header, info, columns);
  return {
    picture: drawRun(facts, columns, header.texts),
    html: (picture) => htmlOf(facts, header.texts, picture, leftOut),
    text: textOf(facts, leftOut),
  };
}

function comparisonForms(header: FrameHeader, info: RunInfo, columns: Columns, leftOut: string): Forms {
  const facts = comparisonFacts(header, info, columns);
  const rows = comparisonRows(facts, leftOut);
  return {
    picture: drawComparison(facts, columns),
    html: (picture) => pageOf(info.title, comparisonSentence(facts), picture, rows),
    text: linesOf(`kvlab comparison: ${info.title}`, rows),
  };
}
