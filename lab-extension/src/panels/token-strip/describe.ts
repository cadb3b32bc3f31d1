/** Token strip in words: how many tokens, where the model was surprised, what nobody holds any more. */
import { fixed } from '../../draw/scale.ts';
import { quoted } from '../../draw/words.ts';
import { evictionsKnown, headCount, logColumn, type Run } from '../../store/run.ts';
import { translate } from '../../translate.ts';
import { cellWithH2o } from '../cells-to-insert.ts';
import { type Phrase, type Said, saysNoRun, tableOf } from '../words.ts';
import { measureScales, plainStrip, type StripToken, type StripView, stripRows } from './encode.ts';

export function describeTokenStrip(
  run: Run | undefined,
  tokens: readonly StripToken[],
  positions: readonly number[],
  ink: string,
  view: StripView = plainStrip,
  [from]: readonly [number, number] = [0, 0],
): Said {
  if (!run)
    return saysNoRun('This panel writes the text token by token, darker where the model was surprised.', cellWithH2o);
  const heads = headCount(run.info);
  const steps = logColumn(run, 'token.step')?.data;
  const known = evictionsKnown(run);
  const chosen = positions.flatMap((position) => tokens[position] ?? []);
  const unheld = tokens.filter((token) => token.holding === 0).length;
  return {
    subtitle: `${run.info.method.name}${run.info.method.setting ? ` · ${run.info.method.setting.split(',')[0]}` : ''}${view.granularity === 'token' ? '' : ` · ${translate('mean by %1', translate(view.granularity))}`}`,
    caption:
      chosen.length > 1
        ? aboutSeveral(run, chosen)
        : chosen[0]
          ? aboutToken(run, chosen[0])
          : aboutAll(tokens, known ? unheld : undefined),
    legend: [
      { kind: 'ramp', ...measureScales[view.measure] },
      ...(known ? [{ kind: 'line', label: 'share of heads holding it', colour: ink } as const] : []),
    ],
    table: () =>
      tableOf(
        ['position', 'token', 'part', 'log-prob', 'heads holding it'],
        tokens
          .filter((t) => from === 0 || (steps?.[t.position] ?? 0) >= from)
          .map((t) => [
            String(t.position),
            t.shown,
            t.generated ? 'generated' : 'prompt',
            fixed(-t.surprise, 2),
            `${t.holding} of ${heads}`,
          ]),
      ),
    data: () => stripRows(run, tokens),
    facts: { tokens: tokens.length, unheld },
  };
}

/** What a screen reader hears for one token. */
export function tokenLabel(run: Run, token: StripToken): string {
  return `${token.position}, ‘${token.shown}’, log-prob ${fixed(-token.surprise, 2)}, kept in ${token.holding} of ${headCount(run.info)} heads`;
}

function aboutToken(run: Run, token: StripToken): Phrase[] {
  return [
    {
      text: translate(
        token.generated
          ? 'Token %1: generated, log-prob %2; held by '
          : 'Token %1: in the prompt, log-prob %2; held by ',
        quoted(token.position, token.shown),
        fixed(-token.surprise, 2),
      ),
    },
    { text: translate('%1 of %2', token.holding, headCount(run.info)), strong: true },
    { text: translate(' heads.') },
  ];
}

function aboutSeveral(run: Run, tokens: readonly StripToken[]): Phrase[] {
  const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
  const known = tokens.filter(({ surprise }) => Number.isFinite(surprise)).map(({ surprise }) => -surprise);
  const held = mean(tokens.map(({ holding }) => holding));
  return [
    { text: translate('%1 tokens', tokens.length), strong: true },
    {
      text: translate(
        ' from %1 to %2: mean log-prob %3; held by %4 of %5 heads on average.',
        quoted(tokens[0]!.position, tokens[0]!.shown),
        quoted(tokens.at(-1)!.position, tokens.at(-1)!.shown),
        fixed(mean(known), 2),
        fixed(held, 1),
        headCount(run.info),
      ),
    },
  ];
}

function aboutAll(tokens: readonly StripToken[], unheld: number | undefined): Phrase[] {
  const generated = tokens.filter((t) => t.generated && Number.isFinite(t.surprise));
  const from = generated.length ? generated : tokens.filter((t) => Number.isFinite(t.surprise));
  const most = from.reduce<StripToken | undefined>((a, b) => (a && a.surprise >= b.surprise ? a : b), undefined);
  const phrases: Phrase[] = [{ text: translate('%1 tokens', tokens.length) }];
  if (most)
    phrases.push({
      text: translate(
        most.generated
          ? '; most surprising generated token %1 at log-prob %2'
          : '; most surprising prompt token %1 at log-prob %2',
        quoted(most.position, most.shown),
        fixed(-most.surprise, 2),
      ),
    });
  if (unheld === undefined) phrases.push({ text: '.' });
  else if (unheld > 0)
    phrases.push(
      { text: '; ' },
      { text: String(unheld), strong: true },
      { text: translate(unheld === 1 ? ' token is held by no head.' : ' tokens are held by no head.') },
    );
  else phrases.push({ text: translate('; every token is held by some head.') });
  return phrases;
}
