/** Cells that an empty panel offers: the shortest TypeScript that fills it. */
const start = `import { lab, methods } from 'kvlab';

const model = await lab.load();
const prompt = [{ role: 'user', content: 'Tell me a story about a lighthouse, a storm and a blue notebook.' }];
`;

export const cellWithH2o = {
  label: 'Insert a cell with H2O at 20 %',
  source: `${start}const run = await lab.generate(model, prompt, { method: methods.h2o({ keep: 0.2 }), maxTokens: 100 });
run.text`,
};

export const cellWithKivi = {
  label: 'Insert a cell with KIVI at 2 bits',
  source: `${start}const run = await lab.generate(model, prompt, { method: methods.kivi({ bits: 2 }), maxTokens: 100 });
run.text`,
};
