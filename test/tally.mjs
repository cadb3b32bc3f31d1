/** Counts what the test runner reports, and says it in words: failures in full, the slowest, one line of totals. */

/** A tally that `take(event)` feeds with the events of `node:test`; `allowedSkips` maps a test's name to the reason why it may be skipped. */
export function newTally(allowedSkips = {}) {
  const tests = [];
  const take = ({ type, data }) => {
    if (type !== 'test:pass' && type !== 'test:fail') return undefined;
    if (data.details?.type === 'suite') return undefined;
    const test = {
      name: data.name,
      file: data.file,
      ms: data.details?.duration_ms ?? 0,
      outcome: 'passed',
      why: undefined,
    };
    if (type === 'test:fail') Object.assign(test, { outcome: 'failed', why: data.details?.error });
    else if (data.todo !== undefined)
      Object.assign(test, { outcome: 'failed', why: 'marked as to do: write it or remove it' });
    else if (data.skip !== undefined) Object.assign(test, skipped(data.name, allowedSkips));
    else if (data.name === data.file) Object.assign(test, { outcome: 'failed', why: 'this file holds no test' });
    tests.push(test);
    return test;
  };
  return { tests, take };
}

function skipped(name, allowedSkips) {
  if (allowedSkips[name]) return { outcome: 'skipped', why: allowedSkips[name] };
  return { outcome: 'failed', why: 'skipped, but test/allowed-skips.json gives no reason for it' };
}

/** The last line: '3 passed, 0 failed', and the skipped ones only when there are any. */
export function totals(tests) {
  const count = (outcome) => tests.filter((test) => test.outcome === outcome).length;
  const skips = count('skipped');
  return `${count('passed')} passed, ${count('failed')} failed${skips > 0 ? `, ${skips} skipped` : ''}`;
}

/** The `count` slowest tests, one a line. */
export function slowest(tests, count = 10) {
  return [...tests]
    .sort((a, b) => b.ms - a.ms)
    .slice(0, count)
    .map((test) => `${(test.ms / 1000).toFixed(2).padStart(8)} s  ${test.name}`);
}

/** Why a test failed: the cause with its stack where there is one. */
export function describeFailure(why) {
  if (!(why instanceof Error)) return String(why);
  const cause = why.cause instanceof Error ? why.cause : undefined;
  return String((cause ?? why).stack ?? (cause ?? why).message ?? why);
}
