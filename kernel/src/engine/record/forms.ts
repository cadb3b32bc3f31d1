/** Forms of all methods of the library, made from their declarations: options, defaults, ranges and units. */
import { type Bound, type Method, type MethodFactory, methods, type Param } from '@kvlab/ops';
import type { FormField, MethodForm } from './frame.ts';
import { slotsOf } from './slots.ts';

type Factory = MethodFactory<Record<string, unknown>>;

export function methodForms(): MethodForm[] {
  return Object.entries(methods as unknown as Record<string, Factory>).map(([key, factory]) => {
    const method = factory();
    return {
      call: `methods.${key}`,
      name: method.name,
      paper: method.paper,
      departures: method.departures,
      fields: [...budgetFields(factory), ...optionFields(factory, method)],
      slots: slotsOf(method),
    };
  });
}

/** The share of the prompt that all zones together may hold, for methods that take a budget. */
function budgetFields(factory: Factory): FormField[] {
  try {
    factory({ keep: 0.5 });
  } catch {
    return [];
  }
  const covers = factory.about.total?.join(' and ');
  const note = covers ? `all zones together; takes the place of ${covers}` : 'all zones together';
  return [{ name: 'keep', type: 'number', min: 0.01, max: 1, unit: 'share of the prompt', note }];
}

function optionFields({ defaults, about }: Factory, method: Method): FormField[] {
  const params = paramsOf(method);
  const isZone = (name: string) => method.zones.includes(name) || about.total?.includes(name as never) === true;
  return Object.entries(defaults).flatMap(([name, value]): FormField[] => {
    const declared = params.get(name);
    if (declared) return [declaredField(name, declared, value)];
    if (name === 'profile') return [profileField(about.profiles ?? {})];
    const plain = { name, note: '', unit: '' };
    if (typeof value === 'boolean') return [{ ...plain, type: 'flag', default: value }];
    if (typeof value === 'string') return [{ ...plain, type: 'text', default: value }];
    if (typeof value !== 'number') return [];
    const number = { ...plain, type: 'number', min: 0, ...(Number.isFinite(value) ? { default: value } : {}) } as const;
    if (isZone(name)) return [{ ...number, unit: 'share of the prompt below 1, entries from 1' }];
    return [
      value > 0 && value < 1 ? { ...number, max: 1, unit: 'share' } : { ...number, integer: Number.isInteger(value) },
    ];
  });
}

/** Whose settings stand where none is given. */
const profileField = (profiles: object): FormField => ({
  name: 'profile',
  type: 'choice',
  default: 'paper',
  choices: ['paper', ...Object.keys(profiles)],
  unit: '',
  note: 'whose settings are taken for what is not said here',
});

/** A parameter of an operator that has the name of the option: its range and unit are the option's. */
function declaredField(name: string, param: Param, value: unknown): FormField {
  const { note } = param;
  if (param.type === 'choice')
    return { name, type: 'choice', default: String(value), choices: param.choices, unit: '', note };
  if (param.type === 'flag') return { name, type: 'flag', default: value === true, unit: '', note };
  const bound = (end: number) => (Number.isFinite(end) ? end : undefined);
  const [min, max] = [bound(param.min), bound(param.max)];
  return {
    name,
    type: 'number',
    default: Number(value),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    integer: param.integer,
    unit: param.unit,
    note,
  };
}

/** Parameters of all operators that a method is made of. */
function paramsOf(method: Method): Map<string, Param> {
  const { score, compensate, attend, fetch, place, allocate, select } = method.declaration;
  const encodings = method.zones.flatMap((zone) => [
    method.encodingOf(zone, 'keys'),
    method.encodingOf(zone, 'values'),
  ]);
  const found = new Map<string, Param>();
  for (const bound of [score, compensate, attend, fetch, place, allocate, select, ...encodings] as Partial<Bound>[])
    for (const [name, param] of Object.entries(bound.operator?.params ?? {})) found.set(name, param);
  return found;
}
