/** Cosines and sines of rotary positions, computed once in float64 (a GPU's cosine is off by 2e-4). */
export interface RotaryTable {
  /** Rows from..to-1 as [R, D/2] views. */
  rows(from: number, to: number): { cos: Float32Array; sin: Float32Array };
}

/** `frequencies` [D/2]: radians per position of each channel pair. The table grows when later positions are asked for. */
export function rotaryTable(frequencies: Float64Array): RotaryTable {
  const width = frequencies.length;
  let count = 0;
  let cos = new Float32Array(0);
  let sin = new Float32Array(0);
  const grow = (to: number): void => {
    const next = Math.max(to, 2 * count, 512);
    const grown = [new Float32Array(next * width), new Float32Array(next * width)] as const;
    grown[0].set(cos);
    grown[1].set(sin);
    for (let position = count; position < next; position++)
      for (let i = 0; i < width; i++) {
        const angle = position * frequencies[i]!;
        grown[0][position * width + i] = Math.cos(angle);
        grown[1][position * width + i] = Math.sin(angle);
      }
    [cos, sin] = grown;
    count = next;
  };
  return {
    rows(from, to) {
      if (to > count) grow(to);
      return { cos: cos.subarray(from * width, to * width), sin: sin.subarray(from * width, to * width) };
    },
  };
}

/** A row [D] turned to a position, pairs (2i, 2i+1). */
export function rotateRow(row: Float32Array, position: number, table: RotaryTable): Float32Array {
  const { cos, sin } = table.rows(position, position + 1);
  const out = new Float32Array(row.length);
  for (let i = 0; i < cos.length; i++) {
    const [a, b] = [row[2 * i]!, row[2 * i + 1]!];
    out[2 * i] = a * cos[i]! - b * sin[i]!;
    out[2 * i + 1] = a * sin[i]! + b * cos[i]!;
  }
  return out;
}
