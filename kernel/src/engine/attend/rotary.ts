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
