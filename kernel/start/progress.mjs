/** Progress in words: numbered steps, what each did, and a sign of life in long ones. */
const signOfLifeMs = 15_000;

/**
 * Returns `step(words, work)`, which prints `[2/6] words`, runs `work(say)` and prints its outcome (a string) with the time.
 * `say(words)` prints a line below the step.
 */
export function numberedSteps(total, print = (line) => console.log(line)) {
  let number = 0;
  return async function step(words, work) {
    number += 1;
    print(`[${number}/${total}] ${words}`);
    const start = performance.now();
    const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
    const say = (line) => print(`      ${line}`);
    const life = setInterval(() => say(`still working, ${seconds()} so far`), signOfLifeMs);
    try {
      const outcome = await work(say);
      say(`${outcome ?? 'done'} (${seconds()})`);
    } finally {
      clearInterval(life);
    }
  };
}
