/** What a notebook or a Node script imports: `import { lab, methods, ops } from 'kvlab'`. */
export * from '@kvlab/ops';
export type { Model } from './engine/model/load.ts';
export type { Applied, LayerTensors } from './engine/run/apply.ts';
export type { RunBytes } from './engine/run/bytes.ts';
export type { Change } from './engine/run/change.ts';
export type { Compared, CompareOptions, Comparison } from './engine/run/compare.ts';
export type { Prompt } from './engine/run/prompt.ts';
export type { GenerateOptions, QueryHead, Run, TokenEvent } from './engine/run/run.ts';
export type { Sampler, Sampling } from './engine/run/sampler.ts';
export type { Scored, ScoreOptions } from './engine/run/score.ts';
export { type LabModel, type LabRun, lab, type OpenedRun, ops } from './lab.ts';
