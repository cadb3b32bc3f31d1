/** Pagers: how memory for a growing cache is handed out. They deal in tokens and bytes and never touch a row. */

/** What one token of a cache takes. */
export interface TokenShape {
  layers: number;
  kvHeads: number;
  headSize: number;
  /** Bytes of one stored number; papers count 2. */
  bytesPerNumber: number;
}

export interface Pager {
  readonly name: string;
  readonly title: string;
  /** Tokens for which a request that holds `tokens` has memory. */
  room(tokens: number, shape: TokenShape): number;
  /** Bytes that are committed for a request that holds `tokens`. */
  committedBytes(tokens: number, shape: TokenShape): number;
  /** A request that ended leaves its memory mapped, for the next one. */
  readonly keepsFreed: boolean;
}

/** Bytes of keys and values of one token in all layers. */
export const tokenBytes = ({ layers, kvHeads, headSize, bytesPerNumber }: TokenShape): number =>
  2 * layers * kvHeads * headSize * bytesPerNumber;
