/** What a notebook or a Node script imports: `import { lab, methods, ops } from 'kvlab'`. */
export * from './engine/record/frame.ts';
