#!/usr/bin/env node
/** The command `kvlab`: install, uninstall, doctor. */
import { parseArgs } from 'node:util';
import { doctor } from './doctor.ts';
import { installSpec, type Place, uninstallSpec } from './kernelspec.ts';

const help = `kvlab install     registers the kernel for Jupyter
kvlab uninstall   takes it away again
kvlab doctor      looks at versions, paths and the device, and runs a cell

Where, for all three:
  --sys-prefix    the environment of python3, or of --python PROGRAM (this is the default)
  --user          the user's Jupyter folder
  --prefix P      P/share/jupyter/kernels`;

function placeOf(values: { user?: boolean; prefix?: string; python?: string }): Place {
  if (values.prefix !== undefined) return { kind: 'prefix', prefix: values.prefix };
  return values.user ? { kind: 'user' } : { kind: 'sys-prefix', python: values.python };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'sys-prefix': { type: 'boolean' },
      user: { type: 'boolean' },
      prefix: { type: 'string' },
      python: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [command] = positionals;
  if (values.help || command === undefined) {
    console.log(help);
    return values.help ? 0 : 1;
  }
  const place = placeOf(values);
  switch (command) {
    case 'install':
      console.log(`kvlab: the kernel is registered in ${installSpec(place)}`);
      return 0;
    case 'uninstall':
      console.log(
        uninstallSpec(place) ? 'kvlab: the kernel is no longer registered' : 'kvlab: it was not registered there',
      );
      return 0;
    case 'doctor':
      return (await doctor(place, console.log)) ? 0 : 1;
    default:
      console.error(`kvlab: there is no command ${command}; commands are install, uninstall and doctor`);
      return 1;
  }
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(`kvlab: ${error.message}`);
    process.exit(1);
  },
);
