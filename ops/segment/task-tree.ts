/** Task tree: a text of nested tasks, read while it is written. Lists of subtasks, their tasks and conclusions are segments.
 *
 *  Luo et al. 2025, "Beyond Context Limits: Subconscious Threads for Long-Horizon Reasoning", arXiv:2507.16784. The text is
 *  JSON-like: a task is an object, "subtasks" a list of tasks, "conclusion" a string. Departure: the parser is ours. */
import { neutral } from '../neutral.ts';
import type { Segment, Segmentation } from './segmentation.ts';

type Mark = { kind: 'list' | 'task' | 'other'; segment: number };

export const taskTree = (): Segmentation => ({
  ...neutral('task-tree', 'segment', 'tree of tasks'),
  neutral: false,
  cut(pieces) {
    const segments: Segment[] = [];
    const around: Mark[] = [];
    const inner = () => around.findLast(({ segment }) => segment >= 0)?.segment ?? -1;
    const begin = (from: number, conclusion = false): number =>
      segments.push({ from, to: pieces.length, open: true, within: inner(), conclusion }) - 1;
    const end = (segment: number, to: number) => {
      const found = segments[segment];
      if (found) Object.assign(found, { to, open: false });
    };
    let [key, string, quoted, escaped, concluding] = ['', '', false, false, -1];
    pieces.forEach((piece, token) => {
      for (const c of piece) {
        if (quoted) {
          if (c === '"' && !escaped) {
            quoted = false;
            if (concluding >= 0) end(concluding, token + 1);
            concluding = -1;
          } else string += c;
          escaped = c === '\\' && !escaped;
        } else if (c === '"') {
          [quoted, string] = [true, ''];
          if (key === 'conclusion') concluding = begin(token, true);
          key = '';
        } else if (c === ':') key = string;
        else if (c === '[') {
          around.push(key === 'subtasks' ? { kind: 'list', segment: begin(token) } : { kind: 'other', segment: -1 });
          key = '';
        } else if (c === '{') {
          const task = around.at(-1)?.kind === 'list';
          around.push({ kind: task ? 'task' : 'other', segment: task ? begin(token) : -1 });
          key = '';
        } else if (c === ']' || c === '}') end(around.pop()?.segment ?? -1, token + 1);
        else if (c === ',') key = '';
      }
    });
    return segments;
  },
});
