/** Which scores run inside the attention graph: those that look at attention, queries or new rows. */
import type { Method } from '@kvlab/ops';
import type { SplicedScore } from '../attend/form.ts';
import { judgesBefore } from './gate.ts';
import { partsOf } from './parts.ts';
import { scoredByPass } from './score.ts';

/** The scores of this step. `due`: a keep pass follows, before which those without a memory of their own run. */
export function splicedScores(method: Method, due: boolean): SplicedScore[] {
  if (judgesBefore(method)) return [];
  return partsOf(method.declaration.score).flatMap(({ part, score }) => {
    if (scoredByPass(score)) return [];
    const attention = score.operator.inputs['attention'] ?? score.operator.inputs['products'];
    const atBirth = score.operator.outputs['score']?.dims[1] === 'Q';
    const always = score.operator.state !== undefined || atBirth;
    if (!always && !due) return [];
    const rows = score.needs.find((n) => 'rows' in n && n.rows?.last);
    const lastRows = rows && 'rows' in rows ? rows.rows?.last : undefined;
    return [{ part, score, lastRows, ordered: attention?.ordered ?? false }];
  });
}
