/** What a method is: a declaration that fills eight slots with operators and contains no arithmetic. */
import type { Allocation } from './allocate/allocation.ts';
import { type Budget, checkBudget } from './allocate/amount.ts';
import { refuseTilesApart } from './attend/aligned.ts';
import type { Attend } from './attend/rows.ts';
import { changeableOptions, type NamedOptions, withChanges } from './change.ts';
import type { Encoding } from './encode/encoding.ts';
import { exact } from './encode/exact.ts';
import { refuseJointByHead } from './encode/joint.ts';
import type { Fetch } from './fetch/fetch.ts';
import { all, oneTier } from './neutral.ts';
import { type Bound, type Slot, slots } from './operator.ts';
import { checkOptions } from './options.ts';
import type { Pass } from './pass/pass.ts';
import type { Place } from './place/place.ts';
import { type Profiles, profileOptions } from './profile.ts';
import type { Segmentation } from './segment/segmentation.ts';
import type { Selection } from './select/zones.ts';

export type Part = 'keys' | 'values';
/** When the keep line runs: after the prompt, after each chunk of it, after each step, after a chunk or step in which a
 *  segment of the text ended. `before attention`: in each of them, and what will leave then is not seen by what comes after
 *  it even inside them; a token always sees itself. */
export type When = 'prompt' | 'chunk' | 'step' | 'segment end' | 'before attention' | { every: number };
export type EachZone<O> = O | Readonly<Record<string, O>>;
export type PerZone<O> = O | Readonly<Record<string, O | Partial<Record<Part, O>>>>;

/** The eight slots, and when the keep line runs. */
export interface Declaration {
  when: When | readonly When[];
  score: Bound;
  allocate: Allocation;
  select: Selection;
  compensate: Bound;
  encode: PerZone<Encoding>;
  place: EachZone<Place>;
  fetch: EachZone<Fetch>;
  attend: Attend;
  /** Further keep lines; what they leave out is as above, and the score is. When two are due the last one runs. */
  phases?: readonly Partial<Omit<KeepLine, 'score'>>[];
  /** Runs over tokens before the prompt or after a hole; none unless said. */
  passes?: Pass;
  /** Which tokens belong together; every token by itself unless said. */
  segment?: Segmentation;
  /** Measured, never acting. */
  watch?: readonly Bound[];
}
export type KeepLine = Pick<Declaration, 'when' | 'score' | 'allocate' | 'select' | 'compensate'>;

export interface About<O> {
  paper: string;
  /** The source that it was checked against: the paper's text, the authors' code, kvpress. */
  checked?: string;
  departures?: readonly string[];
  /** Options that a total budget (`keep`, `entries`, `bytes`) takes the place of. */
  total?: readonly (keyof O & string)[];
  /** Further options that are amounts of zones: these, `total` and the budgets may change while a run writes. */
  amounts?: readonly (keyof O & string)[];
  profiles?: Profiles<O>;
}

export interface Method {
  readonly name: string;
  readonly paper: string;
  readonly departures: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  /** The options that differ from the defaults, in words. */
  readonly setting: string;
  readonly when: readonly When[];
  readonly declaration: Declaration;
  /** The method with each of its further keep lines in the place of the first. */
  readonly phases: readonly Method[];
  /** Names of zones from most to least faithful, `fresh` first. */
  readonly zones: readonly string[];
  /** How a zone stores a part. */
  encodingOf(zone: string, part: Part): Encoding;
  /** Where a zone lives, and what is read of it. */
  placeOf(zone: string): Place;
  fetchOf(zone: string): Fetch;
  /** Names of the options that may change while a run writes. */
  readonly changeable: readonly string[];
  /** The same method with other amounts; refuses an option that may not change and a value that cannot be meant. */
  change(options: NamedOptions): Method;
  /** The eight slots for the picture. */
  readonly slots: readonly { slot: Slot; text: string; neutral: boolean }[];
}
export interface MethodFactory<O> {
  (options?: Partial<O> & Budget): Method;
  readonly methodName: string;
  readonly defaults: O;
  readonly about: About<O>;
}

/** Declares a method. The result is called with options: `h2o({ keep: 0.2 })`. */
export function method<O extends object>(
  name: string,
  defaults: O,
  declare: (options: O & Budget) => Declaration,
  about: About<O>,
): MethodFactory<O> {
  const make = (given: Partial<O> & Budget = {}): Method => {
    for (const option of Object.keys(given))
      if (!(option in defaults) && !['keep', 'entries', 'bytes'].includes(option))
        throw new Error(
          `${name}: there is no option ${option}; there is ${[...Object.keys(defaults), 'keep', 'entries', 'bytes'].join(', ')}`,
        );
    const named = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    checkOptions(name, defaults, named);
    const { keep, entries, bytes } = named as Budget;
    checkBudget(name, { keep, entries, bytes });
    const budgeted = keep !== undefined || entries !== undefined || bytes !== undefined;
    const kept = Object.fromEntries(
      Object.entries({ ...defaults, ...profileOptions(name, named, about.profiles) }).filter(
        ([o]) => !budgeted || !about.total?.includes(o as never),
      ),
    );
    const options = { ...kept, ...named } as O & Budget;
    const declaration = declare(options);
    // A gate is fitted to a share, a pass shortens the prompt to it, a fetch reads it: none of them needs an allocation.
    const meets =
      declaration.passes?.before !== undefined ||
      !zoneText(declaration.fetch).neutral ||
      (keep !== undefined && about.total !== undefined);
    if (budgeted && declaration.allocate.neutral && !meets)
      throw new RangeError(
        `${name}: it evicts nothing, so ${Object.keys(named).join(', ')} sets no budget; leave it out`,
      );
    const changeable = changeableOptions(declaration, about);
    const change = (changes: NamedOptions) =>
      make(withChanges(name, named, changes, changeable) as Partial<O> & Budget);
    return assemble(name, options, given, declaration, about, { changeable, change });
  };
  return Object.assign(make, { methodName: name, defaults, about });
}

function assemble<O>(
  name: string,
  options: O & Budget,
  given: object,
  declaration: Declaration,
  about: About<O>,
  changes: Pick<Method, 'changeable' | 'change'>,
): Method {
  const { encode, phases = [] } = declaration;
  const selections = [declaration, ...phases].flatMap(({ select }) => (select ? [select] : []));
  const named = selections.flatMap(({ keys, values }) => [...keys, ...values]).map(({ zone }) => zone);
  if ('zone' in declaration.compensate) named.push(String(declaration.compensate.zone));
  const zones = ['fresh', ...named.filter((zone, i) => named.indexOf(zone) === i)];
  const encodingOf = (zone: string, part: Part): Encoding => {
    if (zone === 'fresh') return unrotatedAsDeclared(declaration, part);
    if ('codes' in encode) return encode as Encoding;
    const byZone = encode as Readonly<Record<string, Encoding | Partial<Record<Part, Encoding>>>>;
    const own = byZone[zone];
    const found = own && 'codes' in own ? own : (own?.[part] ?? byZone[part] ?? exact);
    return found as Encoding;
  };
  const { place, fetch } = declaration;
  const placeOf = (zone: string): Place => ofZone(place, zone) ?? oneTier;
  const fetchOf = (zone: string): Fetch => ofZone(fetch, zone) ?? all;
  const words = Object.entries(given).map(([option, value]) =>
    option === 'keep' ? `keep ${Math.round(Number(value) * 1000) / 10} %` : `${option} ${value}`,
  );
  const text = (slot: Slot): { text: string; neutral: boolean } => {
    if (slot === 'place' || slot === 'fetch') return zoneText(declaration[slot]);
    if (slot !== 'encode') return { text: declaration[slot].title, neutral: declaration[slot].neutral };
    const found = zones
      .slice(1)
      .flatMap((zone) =>
        (['keys', 'values'] as const).map((part) => ({ zone, part, encoding: encodingOf(zone, part) })),
      );
    const loud = found.filter(({ encoding }) => !encoding.neutral);
    const lines = loud.map(({ zone, part, encoding }) => `${zone} ${part}: ${encoding.title}`);
    return { text: lines.join('; ') || 'exact', neutral: loud.length === 0 };
  };
  const whole: Omit<Method, 'when' | 'declaration' | 'phases'> = {
    name,
    paper: about.paper,
    departures: about.departures ?? [],
    options: options as Record<string, unknown>,
    setting: words.join(', '),
    zones,
    encodingOf,
    placeOf,
    fetchOf,
    slots: slots.map((slot) => ({ slot, ...text(slot) })),
    ...changes,
  };
  const due = (own: Declaration): Method => ({
    ...whole,
    when: [own.when].flat() as When[],
    declaration: own,
    phases: [],
  });
  const method = { ...due(declaration), phases: phases.map((phase) => due({ ...declaration, ...phase })) };
  checkMethod(method);
  refuseJointByHead(method);
  refuseTilesApart(method);
  checkBefore(method);
  return method;
}

const ofZone = <O extends Bound>(slot: EachZone<O>, zone: string): O | undefined =>
  'operator' in slot ? (slot as O) : (slot as Readonly<Record<string, O>>)[zone];

function zoneText(slot: EachZone<Bound>): { text: string; neutral: boolean } {
  if ('operator' in slot) return { text: (slot as Bound).title, neutral: (slot as Bound).neutral };
  const zones = Object.entries(slot as Readonly<Record<string, Bound>>);
  return { text: zones.map(([zone, { title }]) => `${zone} ${title}`).join('; '), neutral: false };
}

/** New rows are exact; they are stored before rotary where the method reads them so. */
function unrotatedAsDeclared({ encode }: Declaration, part: Part): Encoding {
  const single = 'codes' in encode ? (encode as Encoding) : (encode as Readonly<Record<string, Encoding>>)[part];
  return single && 'codes' in single && single.exact ? single : exact;
}

/** Before attention nothing is known but positions and what an entry says of itself. */
function checkBefore({ name, when, declaration: { score, select } }: Method): void {
  if (!when.includes('before attention')) return;
  const crowd = select.keys.find(({ rule }) => !rule.byPosition && !rule.alone);
  if (crowd)
    throw new Error(
      `${name}: the zone ${crowd.zone} compares entries (${crowd.rule.title}), which cannot be done before attention; use above, first or last`,
    );
  if (Object.values(score.operator.inputs).some(({ dims }) => dims.includes('T')))
    throw new Error(`${name}: ${score.operator.name} reads all entries, which are not known before attention; read new rows alone`); // biome-ignore format: one line
}

/** Refuses declarations whose slots do not fit together. */
function checkMethod({ name, zones, encodingOf, declaration, ...rest }: Method): void {
  for (const zone of zones) {
    const keys = encodingOf(zone, 'keys');
    const rule = declaration.attend.ruleOf(zone);
    if (!rule.storesRotated && keys.stores !== 'unrotated')
      throw new Error(
        `${name}: zone ${zone} is read at ${rule.name} positions but its keys are stored rotated (${keys.name}); encode them with pipe(beforeRotary, …)`,
      );
  }
  for (const zone of zones) checkReading(zone, { name, zones, encodingOf, declaration, ...rest });
  let coarse = '';
  for (const zone of zones)
    for (const part of ['keys', 'values'] as const) {
      if (!encodingOf(zone, part).exact) coarse = zone;
      else if (coarse && coarse !== zone)
        throw new Error(
          `${name}: zone ${zone} is exact but stands below ${coarse}, which is not; order zones from most to least faithful`,
        );
    }
}

/** Pages need segments and summaries; rows that leave the device one page at a time are stored one by one. */
function checkReading(zone: string, { name, encodingOf, placeOf, fetchOf, declaration }: Method): void {
  const [{ by, query, pages }, { tier, pool, summary }] = [fetchOf(zone), placeOf(zone)];
  if ((by || summary) && !declaration.segment)
    throw new Error(
      `${name}: place and fetch cut zone ${zone} into pages, but nothing says where one ends; give segment: every(16)`,
    );
  const made = Object.keys({
    ...summary?.operator.outputs,
    ...query?.operator.outputs,
    ...(query ? {} : { queries: 0 }),
  });
  const missing = Object.keys(by?.operator.inputs ?? {}).find((input) => !made.includes(input));
  if (missing)
    throw new Error(
      `${name}: fetch ${by!.operator.name} needs ${missing} of each page of ${zone}, and place gives ${made.join(', ')}; give place another summary`,
    );
  if (tier === 'host' && pool < pages && Number.isFinite(pages))
    throw new RangeError(
      `${name}: place keeps ${pool} pages of ${zone} on the device and fetch reads ${pages} at once; raise the pool to ${pages} or read fewer`,
    );
  const packed = (['keys', 'values'] as const).find((part) => encodingOf(zone, part).grain > 1);
  if (tier === 'host' && packed)
    throw new Error(
      `${name}: place puts ${packed} of ${zone} on the host one page at a time, but ${encodingOf(zone, packed).name} stores ${encodingOf(zone, packed).grain} entries together; encode them one by one`,
    );
}
