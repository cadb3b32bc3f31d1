/** Forms of methods: made from declarations, so that no method needs a form of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { methods } from '@kvlab/ops';
import { methodForms } from '../../kernel/src/engine/record/forms.ts';

const forms = methodForms();

test('every method has a form, and its call names it', () => {
  assert.deepEqual(
    forms.map(({ call }) => call),
    Object.keys(methods).map((key) => `methods.${key}`),
  );
});

for (const form of forms)
  test(`${form.name}: its fields' defaults lie in their ranges and make the method`, () => {
    for (const { name, default: value, min, max, choices } of form.fields) {
      if (typeof value === 'number') assert.ok(value >= (min ?? value) && value <= (max ?? value), name);
      if (choices) assert.ok(choices.includes(String(value)), name);
    }
    const make = (methods as unknown as Record<string, (options: object) => { setting: string }>)[form.call.slice(8)]!;
    const options = form.fields
      .filter((field) => field.default !== undefined)
      .map((field) => [field.name, field.default]);
    assert.ok(make(Object.fromEntries(options)));
    const budget = form.fields.find(({ name }) => name === 'keep');
    if (budget) assert.match(make({ keep: 0.5 }).setting, /keep 50 %/);
  });

test('H2O says its unit, KIVI the range of its bits, both their papers', () => {
  const field = (call: string, name: string) =>
    forms.find((form) => form.call === call)!.fields.find((one) => one.name === name)!;
  assert.match(field('methods.h2o', 'heavy').unit, /share of the prompt/);
  assert.deepEqual([field('methods.kivi', 'bits').min, field('methods.kivi', 'bits').max], [1, 8]);
  assert.equal(forms.find((form) => form.call === 'methods.h2o')!.paper, 'arXiv:2306.14048');
});

test('the forms travel as JSON', () => assert.deepEqual(JSON.parse(JSON.stringify(forms)), forms));
