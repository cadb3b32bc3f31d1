import { testEveryOperator } from './agreement.ts';

testEveryOperator('wasm', 20);
