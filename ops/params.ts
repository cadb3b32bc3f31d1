/** Parameters of operators and options of methods: a default, a range, a unit and a sentence, from which forms are made. */
export interface NumberParam {
  type: 'number';
  default: number;
  min: number;
  max: number;
  integer: boolean;
  unit: string;
  note: string;
}
export interface ChoiceParam<C extends string = string> {
  type: 'choice';
  default: C;
  choices: readonly C[];
  note: string;
}
export interface FlagParam {
  type: 'flag';
  default: boolean;
  note: string;
}
export type Param = NumberParam | ChoiceParam | FlagParam;
export type Params = Readonly<Record<string, Param>>;
export type ParamValue<P extends Param> = P extends ChoiceParam<infer C> ? C : P extends FlagParam ? boolean : number;
export type ParamValues<P extends Params> = { -readonly [K in keyof P]: ParamValue<P[K]> };

export function number(o: Partial<Omit<NumberParam, 'type'>> & { default: number; note: string }): NumberParam {
  return { type: 'number', min: -Infinity, max: Infinity, integer: false, unit: '', ...o };
}
export const count = (o: Partial<Omit<NumberParam, 'type'>> & { default: number; note: string }): NumberParam =>
  number({ min: 0, integer: true, ...o });
export const choice = <const C extends string>(choices: readonly C[], fallback: C, note: string): ChoiceParam<C> => ({
  type: 'choice',
  default: fallback,
  choices,
  note,
});
export const flag = (fallback: boolean, note: string): FlagParam => ({ type: 'flag', default: fallback, note });

/** Fills in defaults and refuses what is unknown or out of range, naming the owner. */
export function resolveParams<P extends Params>(
  owner: string,
  params: P,
  given: Partial<ParamValues<P>> = {},
): ParamValues<P> {
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(given))
    if (!(name in params) && given[name] !== undefined)
      throw new Error(`${owner}: there is no parameter ${name}; there is ${Object.keys(params).join(', ') || 'none'}`);
  for (const [name, param] of Object.entries(params)) {
    const value = given[name as keyof P] ?? param.default;
    const refuse = (want: string) => new RangeError(`${owner}: ${name} is ${JSON.stringify(value)}; give ${want}`);
    if (param.type === 'number') {
      if (typeof value !== 'number' || Number.isNaN(value)) throw refuse('a number');
      if (value < param.min || value > param.max) throw refuse(`a number from ${param.min} to ${param.max}`);
      if (param.integer && Number.isFinite(value) && !Number.isInteger(value)) throw refuse('a whole number');
    } else if (param.type === 'choice') {
      if (!param.choices.includes(value as string)) throw refuse(`one of ${param.choices.join(', ')}`);
    } else if (typeof value !== 'boolean') throw refuse('true or false');
    out[name] = value;
  }
  return out as ParamValues<P>;
}
