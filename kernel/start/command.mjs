/** Runs another program to its end, keeps its last lines for the error message, and stops it when we are stopped. */
import { spawn } from 'node:child_process';
import { fault } from './fault.mjs';

const running = new Set();

/** Asks every command that still runs to end. */
export function stopCommands() {
  for (const child of running) child.kill('SIGTERM');
}

/** Resolves with `{ code, output }`; `code` is undefined when the program is not there. Never throws. */
export function tryCommand(program, args, { cwd, env, onLine } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // npm and its kind are .cmd files on Windows, which only a shell runs.
      shell: process.platform === 'win32' && !program.endsWith('.exe'),
    });
    running.add(child);
    let output = '';
    const take = (chunk) => {
      output = (output + chunk).slice(-64 * 1024);
      if (onLine) for (const line of String(chunk).split('\n')) if (line.trim()) onLine(line.trimEnd());
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const end = (code) => {
      running.delete(child);
      resolve({ code, output });
    };
    child.on('error', (error) => {
      output += error.message;
      end(undefined);
    });
    child.on('close', (code, signal) => end(code ?? (signal ? 128 : undefined)));
  });
}

/** Like `tryCommand`, but anything except exit code 0 is a fault that shows the last lines. Returns the output. */
export async function command(
  where,
  program,
  args,
  { todo = 'Read the lines above and run it again.', ...options } = {},
) {
  const { code, output } = await tryCommand(program, args, options);
  if (code === 0) return output;
  const tail = output.trim().split('\n').slice(-12).join('\n    ');
  const got = code === undefined ? 'a program that could not be started' : `exit code ${code}`;
  throw fault(where, `'${[program, ...args].join(' ')}' failed`, got, `${todo}\n    ${tail}`);
}
