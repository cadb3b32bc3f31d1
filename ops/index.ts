/** Operators, graphs and methods. */
export * from './graph/builder.ts';
export type { ConstantRecord, GraphRecord, NodeRecord, PortRecord, ValueType } from './graph/encode.ts';
