import { testCodes } from './codes.ts';

testCodes('webgpu');
