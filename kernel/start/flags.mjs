/** What can be said to `npm start`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fault } from './fault.mjs';

export const help = `npm start                       set up what is missing, then open JupyterLab on the first lesson

npm start -- --no-browser       print the address and open no browser
npm start -- --port 8899        the port (otherwise 8888, or the next free one)
npm start -- --model FILE       a GGUF file of the Llama family in place of SmolLM2 135M
npm start -- --help             this text`;

/** `{ browser, port, model, help }` from the words after `npm start --`. `from` is the folder that FILE is relative to. */
export function readFlags(words, from = process.cwd()) {
  const flags = { browser: true, port: undefined, model: undefined, help: false };
  const rest = words.flatMap((word) => (/^--\w+=/.test(word) ? splitOnce(word) : [word]));
  while (rest.length > 0) {
    const word = rest.shift();
    if (word === '--no-browser') flags.browser = false;
    else if (word === '--help' || word === '-h') flags.help = true;
    else if (word === '--port') flags.port = readPort(rest.shift());
    else if (word === '--model') flags.model = readModel(rest.shift(), from);
    else throw fault('npm start', 'there is no such flag', word, `Flags are:\n\n${help}`);
  }
  return flags;
}

function splitOnce(word) {
  const at = word.indexOf('=');
  return [word.slice(0, at), word.slice(at + 1)];
}

function readPort(text) {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw fault('npm start --port', 'a port is a number from 1 to 65535', text ?? 'nothing', 'Try --port 8899.');
}

function readModel(text, from) {
  if (!text) throw fault('npm start --model', 'a file is missing', 'nothing', 'Try --model path/to/model.gguf.');
  const path = resolve(from, text);
  if (existsSync(path)) return path;
  throw fault('npm start --model', 'there is no such file', path, 'Check the path; it is relative to where you are.');
}
