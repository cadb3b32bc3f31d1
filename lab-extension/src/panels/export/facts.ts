/** What an exported file says of itself: run, model, method, parameters, step and scale. */
import { changesMade, optionWords } from '../../store/changes.ts';
import { type Store, shownRange, shownRun } from '../../store/store.ts';
import type { Said } from '../words.ts';

export type Facts = Record<string, string | number>;

export function factsOf(store: Store, panel: string, said: Said): Facts {
  const run = shownRun(store);
  if (!run) return { panel };
  const { info } = run;
  const [from, to] = shownRange(store, run);
  const { layer, queryHead, kvHead, position } = store.locked;
  const ramp = said.legend?.find((item) => item.kind === 'ramp');
  const known: Record<string, string | number | undefined> = {
    panel,
    run: info.run,
    title: info.title,
    model: info.model.name,
    method: info.method.name,
    setting: info.method.setting,
    parameters: info.method.call ?? JSON.stringify(info.method.options ?? {}),
    changes:
      changesMade(run)
        .map(({ step, options }) => `from step ${step} ${optionWords(options)}`)
        .join('; ') || undefined,
    paper: info.method.paper,
    device: info.device,
    seed: info.seed,
    step: store.clock.mode === 'range' ? `${from} to ${to}` : to,
    layer,
    queryHead,
    kvHead,
    position,
    scale: ramp ? `${ramp.label}: ${ramp.low} to ${ramp.high}` : undefined,
    source: info.recorded ? 'recorded run' : undefined,
    leftOut: info.leftOut || undefined,
    caption: said.caption.map((phrase) => phrase.text).join(''),
  };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) as Facts;
}

/** One line of the facts that a reader of a picture needs. */
export function factsLine(facts: Facts): string {
  const { method, setting, model, step, run, source } = facts;
  return [[method, setting].filter(Boolean).join(' '), model, step === undefined ? '' : `step ${step}`, run, source]
    .filter(Boolean)
    .join(' · ');
}

/** Name of an exported file without its ending. */
export function fileName(facts: Facts): string {
  const words = [facts.panel, facts.method ?? '', facts.step === undefined ? '' : `step ${facts.step}`];
  return words
    .join(' ')
    .trim()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .toLowerCase();
}
