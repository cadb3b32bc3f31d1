/** Surprisal: a token that the model did not expect carries news, so an entry's score is minus ln of its probability.
 *
 *  Yao et al. 2024, "SirLLM", arXiv:2405.12528. With each turn that ends the score of what is kept fades by `decay`.
 *  The probability is the one that the model gave this token, not (as in the authors' code) the token before it. */
import { perElement } from '../cost.ts';
import { f32, operator } from '../operator.ts';
import { number } from '../params.ts';
import { tensor } from '../tensor.ts';

export const surprisal = operator({
  name: 'surprisal',
  kind: 'score',
  scope: 'model',
  title: ({ decay }) => (decay === 1 ? 'surprise' : `surprise, ${decay} after each turn`),
  paper: 'arXiv:2405.12528',
  params: { decay: number({ default: 0.7, min: 0.01, max: 1, note: 'what is left of the score after a turn' }) },
  needs: () => [{ of: 'logits' }],
  inputs: { nll: f32(['Hkv', 'T']), turnsAgo: f32(['Hkv', 'T'], { values: 'shares' }) },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(2, 'Hkv', 'T'),

  graph: (g, { nll, turnsAgo }, { decay }) => ({ score: g.mul(nll!, g.exp(g.mul(turnsAgo!, Math.log(decay)))) }),

  reference({ nll, turnsAgo }, { decay }) {
    const score = tensor(nll!.dims);
    for (let i = 0; i < score.data.length; i++) score.data[i] = nll!.data[i]! * decay ** turnsAgo!.data[i]!;
    return { score };
  },

  example: {
    inputs: { nll: [[2, 2, 2]], turnsAgo: [[2, 1, 0]] },
    params: { decay: 0.5 },
    outputs: { score: [[0.5, 1, 2]] },
  },
});
