/** Turns stored blocks into f32.
 *
 *  Each block form is one loop over its blocks. Products are rounded once, as in the reference implementation, so results
 *  are equal to it to the last bit. Bits of a form are described where they are taken apart. */
import type { BlockForm, BlockName } from './blocks.ts';

/** Writes `bytes`, whole blocks of `form`, to `out` as f32. */
export function dequantize(form: BlockForm, bytes: Uint8Array, out: Float32Array): void {
  const blocks = bytes.length / form.bytes;
  if (!Number.isInteger(blocks) || blocks * form.elements !== out.length)
    throw new RangeError(
      `dequantize ${form.name}: ${bytes.length} bytes are ${blocks * form.elements} elements, and ${out.length} are asked for`,
    );
  unpack[form.name](bytes, out, blocks);
}

let halfTable: Float32Array | undefined;

/** All 65,536 half-precision numbers as f32, indexed by their bits. */
export function halves(): Float32Array {
  if (halfTable) return halfTable;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size =
      exponent === 31
        ? fraction
          ? Number.NaN
          : Number.POSITIVE_INFINITY
        : exponent
          ? (1 + fraction / 1024) * 2 ** (exponent - 15)
          : fraction * 2 ** -24;
    table[bits] = bits & 32768 ? -size : size;
  }
  halfTable = table;
  return table;
}

type Unpack = (bytes: Uint8Array, out: Float32Array, blocks: number) => void;

/** The 6-bit scale of sub-block `j` (0 to 7) in the 12 bytes of a K form at `s`. */
const scale6 = (b: Uint8Array, s: number, j: number): number =>
  j < 4 ? b[s + j]! & 63 : (b[s + j + 4]! & 15) | ((b[s + j - 4]! >> 6) << 4);
/** The 6-bit minimum of the same sub-block. */
const minimum6 = (b: Uint8Array, s: number, j: number): number =>
  j < 4 ? b[s + j + 4]! & 63 : (b[s + j + 4]! >> 4) | ((b[s + j]! >> 6) << 4);

const unpack: Record<BlockName, Unpack> = {
  F32(bytes, out) {
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
  },

  F16(b, out, blocks) {
    const half = halves();
    for (let i = 0; i < blocks; i++) out[i] = half[b[2 * i]! | (b[2 * i + 1]! << 8)]!;
  },

  // The upper 16 bits of an f32.
  BF16(b, out, blocks) {
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < blocks; i++) words[i] = (b[2 * i]! << 16) | (b[2 * i + 1]! << 24);
  },

  // f16 scale, 32 signed bytes.
  Q8_0(b, out, blocks) {
    const half = halves();
    for (let k = 0, p = 0, o = 0; k < blocks; k++, o += 32) {
      const d = half[b[p]! | (b[p + 1]! << 8)]!;
      p += 2;
      for (let j = 0; j < 32; j++) out[o + j] = d * ((b[p++]! << 24) >> 24);
    }
  },

  // f16 scale, 16 bytes: low nibbles are elements 0 to 15, high nibbles 16 to 31; 8 stands for zero.
  Q4_0(b, out, blocks) {
    const half = halves();
    for (let k = 0, p = 0, o = 0; k < blocks; k++, o += 32) {
      const d = half[b[p]! | (b[p + 1]! << 8)]!;
      p += 2;
      for (let j = 0; j < 16; j++) {
        const q = b[p++]!;
        out[o + j] = d * ((q & 15) - 8);
        out[o + j + 16] = d * ((q >> 4) - 8);
      }
    }
  },

  // f16 scale, f16 minimum, nibbles as in Q4_0.
  Q4_1(b, out, blocks) {
    const half = halves();
    for (let k = 0, p = 0, o = 0; k < blocks; k++, o += 32) {
      const d = half[b[p]! | (b[p + 1]! << 8)]!;
      const m = half[b[p + 2]! | (b[p + 3]! << 8)]!;
      p += 4;
      for (let j = 0; j < 16; j++) {
        const q = b[p++]!;
        out[o + j] = d * (q & 15) + m;
        out[o + j + 16] = d * (q >> 4) + m;
      }
    }
  },

  // f16 scale, 32 fifth bits, nibbles as in Q4_0; 16 stands for zero.
  Q5_0(b, out, blocks) {
    const half = halves();
    for (let k = 0, p = 0, o = 0; k < blocks; k++, o += 32) {
      const d = half[b[p]! | (b[p + 1]! << 8)]!;
      const fifth = b[p + 2]! | (b[p + 3]! << 8) | (b[p + 4]! << 16) | (b[p + 5]! << 24);
      p += 6;
      for (let j = 0; j < 16; j++) {
        const q = b[p++]!;
        out[o + j] = d * (((q & 15) | (((fifth >>> j) & 1) << 4)) - 16);
        out[o + j + 16] = d * (((q >> 4) | (((fifth >>> (j + 16)) & 1) << 4)) - 16);
      }
    }
  },

  // f16 scale, f16 minimum, fifth bits and nibbles as in Q5_0.
  Q5_1(b, out, blocks) {
    const half = halves();
    for (let k = 0, p = 0, o = 0; k < blocks; k++, o += 32) {
      const d = half[b[p]! | (b[p + 1]! << 8)]!;
      const m = half[b[p + 2]! | (b[p + 3]! << 8)]!;
      const fifth = b[p + 4]! | (b[p + 5]! << 8) | (b[p + 6]! << 16) | (b[p + 7]! << 24);
      p += 8;
      for (let j = 0; j < 16; j++) {
        const q = b[p++]!;
        out[o + j] = d * ((q & 15) | (((fifth >>> j) & 1) << 4)) + m;
        out[o + j + 16] = d * ((q >> 4) | (((fifth >>> (j + 16)) & 1) << 4)) + m;
      }
    }
  },

  // f16 scale of scales, f16 scale of minima, 8 sub-blocks of 32 with 6-bit scale and minimum, then nibbles: each run of
  // 32 bytes holds one sub-block in its low and the next in its high nibbles.
  Q4_K(b, out, blocks) {
    const half = halves();
    for (let k = 0, p = 0, o = 0; k < blocks; k++, p += 144) {
      const d = half[b[p]! | (b[p + 1]! << 8)]!;
      const dmin = half[b[p + 2]! | (b[p + 3]! << 8)]!;
      for (let j = 0; j < 8; j++) {
        const scale = d * scale6(b, p + 4, j);
        const minimum = dmin * minimum6(b, p + 4, j);
        const q = p + 16 + 32 * (j >> 1);
        const shift = (j & 1) * 4;
        for (let i = 0; i < 32; i++) out[o++] = scale * ((b[q + i]! >> shift) & 15) - minimum;
      }
    }
  },

  // As Q4_K, with 32 bytes of fifth bits before the nibbles: bit j of byte i belongs to element i of sub-block j.
  Q5_K(b, out, blocks) {
    const half = halves();
    for (let k = 0, p = 0, o = 0; k < blocks; k++, p += 176) {
      const d = half[b[p]! | (b[p + 1]! << 8)]!;
      const dmin = half[b[p + 2]! | (b[p + 3]! << 8)]!;
      for (let j = 0; j < 8; j++) {
        const scale = d * scale6(b, p + 4, j);
        const minimum = dmin * minimum6(b, p + 4, j);
        const q = p + 48 + 32 * (j >> 1);
        const shift = (j & 1) * 4;
        for (let i = 0; i < 32; i++)
          out[o++] = scale * (((b[q + i]! >> shift) & 15) | (((b[p + 16 + i]! >> j) & 1) << 4)) - minimum;
      }
    }
  },

  // 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales, f16 scale of scales; 32 stands for zero. Each half
  // of 128 elements is four runs of 32: run r takes nibble r >> 1 of byte (r & 1) * 32 + i and bit pair r of byte i.
  Q6_K(b, out, blocks) {
    const half = halves();
    for (let k = 0, p = 0, o = 0; k < blocks; k++, p += 210) {
      const d = half[b[p + 208]! | (b[p + 209]! << 8)]!;
      for (let part = 0; part < 2; part++) {
        const low = p + 64 * part;
        const high = p + 128 + 32 * part;
        const scales = p + 192 + 8 * part;
        for (let r = 0; r < 4; r++) {
          for (let i = 0; i < 32; i++) {
            const scale = d * ((b[scales + 2 * r + (i >> 4)]! << 24) >> 24);
            const nibble = (b[low + 32 * (r & 1) + i]! >> (4 * (r >> 1))) & 15;
            out[o++] = scale * ((nibble | (((b[high + i]! >> (2 * r)) & 3) << 4)) - 32);
          }
        }
      }
    }
  },
};
