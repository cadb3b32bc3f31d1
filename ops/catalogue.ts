/** The one list of all operators and the one list of all methods: tests, forms and the README are made from them. */
import { quantOperator } from './encode/quant.ts';
import { full } from './methods/full.ts';
import { h2o } from './methods/h2o.ts';
import { keyNorm as keyNormMethod } from './methods/key-norm.ts';
import { kivi } from './methods/kivi.ts';
import { random } from './methods/random.ts';
import { snapKV } from './methods/snapkv.ts';
import { streamingLLM } from './methods/streamingllm.ts';
import { window } from './methods/window.ts';
import { accumulatedAttention } from './score/accumulated-attention.ts';
import { keyNorm } from './score/key-norm.ts';
import { randomScore } from './score/random-score.ts';
import { windowAttention } from './score/window-attention.ts';

export const operators = { accumulatedAttention, windowAttention, keyNorm, randomScore, quant: quantOperator } as const;

export const methods = {
  full,
  window,
  streamingLLM,
  h2o,
  snapKV,
  kivi,
  random,
  keyNorm: keyNormMethod,
} as const;
