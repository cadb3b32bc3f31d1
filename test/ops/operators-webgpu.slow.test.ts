import { testEveryOperator } from './agreement.ts';

testEveryOperator('webgpu', 5);
