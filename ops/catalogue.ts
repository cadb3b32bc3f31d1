/** The one list of all operators and the one list of all methods: tests, forms and the README are made from them. */

import { tiledOperator } from './attend/tiled.ts';
import { unifiedMaxOperator } from './attend/unified-max.ts';
import { meanEntryOperator } from './compensate/mean-entry.ts';
import { mergeSimilarOperator } from './compensate/merge-similar.ts';
import { balanceOperator } from './encode/balance.ts';
import { bitPlanesOperator } from './encode/bit-planes.ts';
import { blockFloatOperator } from './encode/block-float.ts';
import { channelScaleOperator } from './encode/channel-scale.ts';
import { exceptOutliersOperator } from './encode/except-outliers.ts';
import { hadamardOperator } from './encode/hadamard.ts';
import { levelsOperator } from './encode/levels.ts';
import { lowRankOperator } from './encode/low-rank.ts';
import { quantOperator } from './encode/quant.ts';
import { reorderOperator } from './encode/reorder.ts';
import { keyBound } from './fetch/key-bound.ts';
import { keyDot } from './fetch/key-dot.ts';
import { meanQuery } from './fetch/mean-query.ts';
import { retrievalTiming } from './measure/retrieval-timing.ts';
import { adaKV } from './methods/ada-kv.ts';
import { attentionGate } from './methods/attention-gate.ts';
import { bfpOutliers } from './methods/bfp-outliers.ts';
import { bipolarInt } from './methods/bipolar-int.ts';
import { chunkKV } from './methods/chunkkv.ts';
import { criticPorag } from './methods/critic-porag.ts';
import { cur } from './methods/cur.ts';
import { d2o } from './methods/d2o.ts';
import { duoAttention } from './methods/duoattention.ts';
import { expectedAttention as expectedAttentionMethod } from './methods/expected-attention.ts';
import { flashAttention } from './methods/flashattention.ts';
import { flashDecodingPlusPlus } from './methods/flashdecoding++.ts';
import { full } from './methods/full.ts';
import { gear } from './methods/gear.ts';
import { gemFilter } from './methods/gemfilter.ts';
import { h2o } from './methods/h2o.ts';
import { infLLM } from './methods/infllm.ts';
import { keyDiff as keyDiffMethod } from './methods/key-diff.ts';
import { keyNorm as keyNormMethod } from './methods/key-norm.ts';
import { keyformer } from './methods/keyformer.ts';
import { kivi } from './methods/kivi.ts';
import { kvQuant } from './methods/kvquant.ts';
import { lagKV } from './methods/lagkv.ts';
import { leverageScore } from './methods/leverage-score.ts';
import { locret } from './methods/locret.ts';
import { mikv } from './methods/mikv.ts';
import { observedAttention } from './methods/observed-attention.ts';
import { pyramidKV } from './methods/pyramidkv.ts';
import { quest } from './methods/quest.ts';
import { random } from './methods/random.ts';
import { razorAttention } from './methods/razorattention.ts';
import { rotateKV } from './methods/rotatekv.ts';
import { scissorhands } from './methods/scissorhands.ts';
import { sirLLM } from './methods/sirllm.ts';
import { snapKV } from './methods/snapkv.ts';
import { specKV } from './methods/speckv.ts';
import { specPC } from './methods/specpc.ts';
import { streamingLLM } from './methods/streamingllm.ts';
import { timTree } from './methods/tim-tree.ts';
import { tova } from './methods/tova.ts';
import { vAttention } from './methods/vattention.ts';
import { window } from './methods/window.ts';
import { zipCache } from './methods/zipcache.ts';
import { keyBounds } from './place/key-bounds.ts';
import { meanKey } from './place/mean-key.ts';
import { representatives } from './place/representatives.ts';
import { accumulatedAttention } from './score/accumulated-attention.ts';
import { averageAttention } from './score/average-attention.ts';
import { belowAverageCount } from './score/below-average-count.ts';
import { blendOperator } from './score/blend.ts';
import { expectedAttention } from './score/expected-attention.ts';
import { hiddenOutliers } from './score/hidden-outliers.ts';
import { keyDiff } from './score/key-diff.ts';
import { keyNorm } from './score/key-norm.ts';
import { lagRelative } from './score/lag-relative.ts';
import { lastQueryProducts } from './score/last-query-products.ts';
import { leverage } from './score/leverage.ts';
import { localMass } from './score/local-mass.ts';
import { localNorms } from './score/local-norms.ts';
import { noisyAttention } from './score/noisy-attention.ts';
import { outputGradient } from './score/output-gradient.ts';
import { probedAttention } from './score/probed-attention.ts';
import { randomScore } from './score/random-score.ts';
import { retainingHeadOperator } from './score/retaining-head.ts';
import { risingAttention } from './score/rising-attention.ts';
import { rowEntropy } from './score/row-entropy.ts';
import { surprisal } from './score/surprisal.ts';
import { trainedGateOperator } from './score/trained-gate.ts';
import { windowAttention } from './score/window-attention.ts';

export const operators = {
  accumulatedAttention,
  windowAttention,
  keyNorm,
  randomScore,
  averageAttention,
  probedAttention,
  hiddenOutliers,
  noisyAttention,
  belowAverageCount,
  surprisal,
  rowEntropy,
  keyDiff,
  lagRelative,
  localNorms,
  leverage,
  expectedAttention,
  blend: blendOperator,
  outputGradient,
  lastQueryProducts,
  risingAttention,
  retrievalTiming,
  trainedGate: trainedGateOperator,
  retainingHead: retainingHeadOperator,
  localMass,
  meanEntry: meanEntryOperator,
  mergeSimilar: mergeSimilarOperator,
  quant: quantOperator,
  balance: balanceOperator,
  channelScale: channelScaleOperator,
  hadamard: hadamardOperator,
  reorder: reorderOperator,
  exceptOutliers: exceptOutliersOperator,
  lowRank: lowRankOperator,
  levels: levelsOperator,
  blockFloat: blockFloatOperator,
  bitPlanes: bitPlanesOperator,
  tiled: tiledOperator,
  unifiedMax: unifiedMaxOperator,
  keyBounds,
  meanKey,
  representatives,
  keyBound,
  meanQuery,
  keyDot,
} as const;

export const methods = {
  full,
  window,
  streamingLLM,
  h2o,
  snapKV,
  kivi,
  random,
  keyNorm: keyNormMethod,
  observedAttention,
  pyramidKV,
  chunkKV,
  tova,
  keyformer,
  scissorhands,
  sirLLM,
  adaKV,
  keyDiff: keyDiffMethod,
  lagKV,
  cur,
  leverageScore,
  expectedAttention: expectedAttentionMethod,
  razorAttention,
  duoAttention,
  gemFilter,
  specKV,
  specPC,
  d2o,
  mikv,
  gear,
  zipCache,
  bipolarInt,
  kvQuant,
  rotateKV,
  bfpOutliers,
  flashAttention,
  flashDecodingPlusPlus,
  quest,
  infLLM,
  vAttention,
  attentionGate,
  locret,
  criticPorag,
  timTree,
} as const;
