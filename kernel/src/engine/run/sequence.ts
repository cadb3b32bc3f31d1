/** A sequence: the tokens that one cache has seen, and all that is remembered of them. */
import type { Allocated, Fitted, Method } from '@kvlab/ops';
import { type RotaryTable, rotaryTable } from '../attend/rotary.ts';
import type { Measured } from '../attend/taken.ts';
import { type CacheLayer, cacheShape, createLayer, forkLayer } from '../cache/layer.ts';
import { placeFitted } from '../cache/registers.ts';
import type { LinkModels } from '../cache/traffic.ts';
import { type Encoder, encoderOf } from '../keep/encoder.ts';
import { columnsOfScore } from '../keep/parts.ts';
import type { Model } from '../model/load.ts';
import { type Operate, operateOf } from '../operate/operate.ts';
import { copyReads, createReads, type Reads } from './reads.ts';
import type { Tail } from './tail.ts';

export interface Sequence {
  readonly model: Model;
  readonly method: Method;
  layers: CacheLayer[];
  /** Ids fed so far. */
  ids: number[];
  /** Their text, kept where the method cuts the text into segments, and the segments that had ended when it last looked. */
  pieces: string[];
  endedSegments: number;
  /** Length of the first prompt; shares are shares of it. */
  promptLength: number;
  allocated: Allocated | undefined;
  /** The same for each further keep line of the method, and whether amounts changed since the last keep pass. */
  allocatedLater: readonly Allocated[];
  amountsChanged: boolean;
  step: number;
  /** Largest sum of what one layer's run copied into the runtime, in bytes. */
  workspaceBytes: number;
  /** Most bytes that the cache held, inside steps too. */
  peakBytes: number;
  readonly seed: number;
  readonly fitted: Fitted | undefined;
  readonly rotary: RotaryTable;
  readonly encoder: Encoder;
  readonly operate: Operate;
  /** Minus ln of the probability that each fed token had, by position; kept only for methods that need logits. */
  nll: number[];
  /** Turn in which each token was fed; a turn ends when the caller adds more text. */
  turns: number[];
  turn: number;
  /** Last logits row, from which the next token's surprise follows. */
  lastLogits: Float32Array | undefined;
  /** Last raw queries of each layer, for scores that look at them. */
  tails: (Tail | undefined)[];
  /** States of scores that belong to no entry, by layer. */
  registers: Map<string, Float32Array>[];
  /** What each measure said of each token of the answer. */
  tokenMeasures: Map<string, number[]>;
  /** What the attend slot counted on its query rows so far. */
  measures: Map<string, Measured>;
  /** Pages and tiers. */
  reads: Reads;
}
/** An empty cache for a method. `fitted` is what its fits gave on this model. */
export function createSequence(model: Model, method: Method, seed = 0, fitted?: Fitted, links?: LinkModels): Sequence {
  const { layers, kvHeads, headSize, ropeFrequencies } = model.config;
  const shape = cacheShape(method, kvHeads, headSize, columnsOfScore(method.declaration.score), layers);
  return {
    model,
    method,
    layers: Array.from({ length: layers }, (_, l) => {
      const layer = createLayer(shape);
      placeFitted(layer, l, fitted);
      return layer;
    }),
    ids: [],
    pieces: [],
    endedSegments: 0,
    promptLength: 0,
    allocated: undefined,
    allocatedLater: [],
    amountsChanged: false,
    step: -1,
    workspaceBytes: 0,
    peakBytes: 0,
    seed,
    fitted,
    rotary: rotaryTable(ropeFrequencies),
    encoder: encoderOf(model.runtime),
    operate: operateOf(model.runtime),
    nll: [],
    turns: [],
    turn: 0,
    lastLogits: undefined,
    tails: [],
    registers: Array.from({ length: layers }, () => new Map()),
    tokenMeasures: new Map(),
    measures: new Map(),
    reads: createReads(links),
  };
}

/** A copy that goes on by itself. */
export function forkSequence(sequence: Sequence): Sequence {
  return {
    ...sequence,
    layers: sequence.layers.map(forkLayer),
    ids: [...sequence.ids],
    pieces: [...sequence.pieces],
    nll: [...sequence.nll],
    turns: [...sequence.turns],
    tails: [...sequence.tails],
    registers: sequence.registers.map((own) => new Map(own)),
    tokenMeasures: new Map(sequence.tokenMeasures),
    measures: new Map([...sequence.measures].map(([name, counted]) => [name, { ...counted }])),
    reads: copyReads(sequence.reads),
  };
}
