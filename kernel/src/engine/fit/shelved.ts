/** Results of fits on the shelf of this machine: named by what they follow from, so that nothing stale is ever found. */
import { type Fit, type Tensor, tensor } from '@kvlab/ops';
import { hashOf } from '../model/identity.ts';
import type { Model } from '../model/load.ts';
import { sampleText } from './samples.ts';

/** Rises when what fits call computes something else from the same samples; their own code is a part of the name. */
const edition = 2;

type Results = Readonly<Record<string, Tensor>>;

/** The name of what a fit gives: it changes with the model, with every setting of the fit and with its sample texts. */
export function shelfName(model: Model, fit: Fit): Promise<string> {
  const texts = Array.from({ length: fit.count }, (_, i) => sampleText(model, fit, i));
  const facts = JSON.stringify([edition, model.identity, fit.name, fit.samples, fit.gives, String(fit.start), texts]);
  return hashOf([new TextEncoder().encode(facts)]);
}

/** What lies there under this name, or undefined; something that cannot be read counts as nothing. */
export async function takeDown(model: Model, fit: Fit): Promise<Results | undefined> {
  if (!model.shelf) return undefined;
  const bytes = await model.shelf.read(`${await shelfName(model, fit)}.fit`);
  return bytes && unpack(bytes);
}

export async function putUp(model: Model, fit: Fit, results: Results): Promise<void> {
  await model.shelf?.write(`${await shelfName(model, fit)}.fit`, pack(results));
}

/** Length of the list as u32, the list of names and dimensions as JSON, then all elements as float64. */
function pack(results: Results): Uint8Array {
  const list = Object.entries(results).map(([name, { dims }]) => ({ name, dims }));
  const words = new TextEncoder().encode(JSON.stringify(list));
  const elements = Object.values(results).flatMap(({ data }) => [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]); // biome-ignore format: one line
  const out = new Uint8Array(4 + words.length + elements.reduce((sum, { length }) => sum + length, 0));
  new DataView(out.buffer).setUint32(0, words.length, true);
  let end = 4;
  for (const piece of [words, ...elements]) {
    out.set(piece, end);
    end += piece.length;
  }
  return out;
}

function unpack(bytes: Uint8Array): Results | undefined {
  try {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const list = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as {
      name: string;
      dims: number[];
    }[];
    let start = 4 + length;
    const results = list.map(({ name, dims }) => {
      const size = 8 * dims.reduce((product, n) => product * n, 1);
      const elements = new Float64Array(Uint8Array.from(bytes.subarray(start, start + size)).buffer);
      start += size;
      return [name, tensor(dims, elements)] as const;
    });
    return start === bytes.length ? Object.fromEntries(results) : undefined;
  } catch {
    return undefined;
  }
}
