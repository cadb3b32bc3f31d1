/** What an operator costs, for the panels: work and bytes read, counted from its sizes. */

export type Cost = (dims: Readonly<Record<string, number>>) => { flops: number; bytes: number };

/** So many operations for each element of a tensor with these letters, which is read once as f32. */
export function perElement(operations: number, ...letters: readonly string[]): Cost {
  return (dims) => {
    const elements = letters.reduce((n, letter) => n * (dims[letter] ?? 1), 1);
    return { flops: operations * elements, bytes: 4 * elements };
  };
}
