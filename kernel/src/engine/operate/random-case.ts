/** Random inputs for any operator, from its declaration alone: small shapes, ties, extreme values, one query to many. */
import { type AnyDefinition, type Bound, hashedUniform, type Sizes, type Spec, type Tensor, tensor } from '@kvlab/ops';

export interface RandomCase {
  /** Which case it is, in words for a message. */
  words: string;
  params: Bound['params'];
  sizes: Sizes;
  /** Inputs and states; what is made is left to whoever runs it. */
  inputs: Record<string, Tensor>;
}
type Draw = () => number;
type Flavour = 'ordinary' | 'ties' | 'extreme';

/** The first five cases hold one entry, an odd number, a multiple of 64, as many queries as entries, and ordinary ones. */
const entries = [1, 37, 64, 24, 50];
const heads = [
  { Hq: 9, Hkv: 3 },
  { Hq: 3, Hkv: 3 },
  { Hq: 4, Hkv: 1 },
];
const flavours: readonly Flavour[] = ['ordinary', 'ordinary', 'ties', 'ordinary', 'extreme'];

/** The case of this number; the same seed gives the same case. */
export function randomCase(
  definition: AnyDefinition,
  bound: Bound['params'],
  number: number,
  seed: number,
): RandomCase {
  let calls = 0;
  const draw: Draw = () => hashedUniform(seed, number, calls++, 0x5eed);
  const whole = (from: number, to: number) => from + Math.floor(draw() * (to - from + 1));
  const T = entries[number] ?? whole(1, 150);
  const fixed = number < entries.length ? heads[0]! : heads[number % heads.length]!;
  const drawn: Record<string, number> = {
    ...fixed,
    G: fixed.Hq / fixed.Hkv,
    L: 2,
    T,
    Q: number === 3 ? T : Math.min(T, whole(1, 12)),
    N: whole(1, 9),
    B: whole(1, 4),
    D: 16,
    X: 24,
    R: 8,
    V: 40,
  };
  const { made = {} } = definition;
  const params = { ...bound, ...vary(definition, number) };
  const sizes = { ...drawn, ...definition.accepts?.(drawn, params as never) };
  const flavour = flavours[number % flavours.length]!;
  const specs = Object.entries({ ...definition.inputs, ...definition.state }).filter(([n]) => !(n in made));
  const shown = [...new Set(specs.flatMap(([, { dims }]) => dims))].filter((d) => typeof d === 'string');
  const settings = JSON.stringify(params) === '{}' ? '' : `, ${JSON.stringify(params)}`;
  return {
    words: `case ${number} (${flavour} values, ${shown.map((d) => `${d} ${sizes[d]}`).join(', ')}${settings}, seed ${seed})`,
    params,
    sizes,
    inputs: Object.fromEntries(specs.map(([name, spec]) => [name, fill(spec, sizes, flavour, draw)])),
  };
}

/** Settings of this case: choices and flags take turns, then come the variants that the operator names. */
function vary(definition: AnyDefinition, number: number): Bound['params'] {
  const settings: Record<string, number | string | boolean> = {};
  for (const [name, param] of Object.entries(definition.params)) {
    if (param.type === 'choice') settings[name] = param.choices[number % param.choices.length]!;
    if (param.type === 'flag') settings[name] = number % 2 === 0 ? param.default : !param.default;
  }
  const variants = definition.variants ?? [];
  return { ...settings, ...(variants[number % (variants.length + 1)] as Bound['params'] | undefined) };
}

function fill({ dtype, dims, values = 'any' }: Spec, sizes: Sizes, flavour: Flavour, draw: Draw): Tensor {
  const out = tensor(dims.map((d) => (typeof d === 'number' ? d : sizes[d]!)));
  const { data } = out;
  const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  const ordinary = (): number => {
    if (flavour === 'ties') return Math.floor(draw() * 3) - 1;
    return flavour === 'extreme' ? normal() * 10 ** (Math.floor(draw() * 9) - 5) : normal();
  };
  const assign = (next: (i: number) => number) => {
    for (let i = 0; i < data.length; i++) data[i] = dtype === 'f32' ? Math.fround(next(i)) : next(i);
  };
  const whole = { u8: 256, bool: 2, i32: 2 ** 16, f32: 0 }[dtype];
  const length = out.dims[out.dims.length - 1] ?? 1;
  if (values === 'rows' || values === 'products') causalRows(out, ordinary, values);
  else if (values === 'positions') assign((i) => (i % length === 0 ? -1 : data[i - 1]!) + 1 + Math.floor(draw() * 3));
  else if (values === 'order') shuffle(out, draw);
  else if (values === 'shares') assign(() => (flavour === 'ties' ? 0.5 : draw()));
  else assign(() => (whole ? Math.floor(draw() * whole) : ordinary()));
  return out;
}

/** Each whole number below the count of elements once. */
function shuffle({ data }: Tensor, draw: Draw): void {
  data.forEach((_, i) => {
    const j = Math.floor(draw() * (i + 1));
    data[i] = data[j]!;
    data[j] = i;
  });
}

/** Attention of the last Q of T tokens, or its logits: row q sees the first T - Q + q + 1 columns. */
function causalRows({ dims, data }: Tensor, ordinary: () => number, as: 'rows' | 'products'): void {
  const [Q, T] = dims.slice(-2) as [number, number];
  for (let row = 0; row < data.length / T; row++) {
    const visible = Math.min(T, Math.max(1, T - Q + (row % Q) + 1));
    const logits = Array.from({ length: visible }, () => Math.min(ordinary(), 80));
    const most = Math.max(...logits);
    const sum = logits.reduce((a, v) => a + Math.exp(v - most), 0);
    const share = (v: number) => (as === 'products' ? v : Math.exp(v - most) / sum);
    for (let t = 0; t < T; t++) data[row * T + t] = t < visible ? Math.fround(share(logits[t]!)) : 0;
    if (as === 'products') data.fill(Math.fround(-1e30), row * T + visible, (row + 1) * T);
  }
}
