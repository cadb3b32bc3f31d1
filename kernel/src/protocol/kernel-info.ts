/** What the kernel says about itself. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Content, protocolVersion } from './messages.ts';

function versionOf(path: string | URL): string {
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

/** Content of `kernel_info_reply`. */
export function kernelInfo(): Content {
  const version = versionOf(new URL('../../package.json', import.meta.url));
  const typescript = versionOf(createRequire(import.meta.url).resolve('typescript/package.json'));
  return {
    status: 'ok',
    protocol_version: protocolVersion,
    implementation: 'kvlab',
    implementation_version: version,
    language_info: {
      name: 'typescript',
      version: typescript,
      mimetype: 'application/typescript',
      file_extension: '.ts',
      pygments_lexer: 'typescript',
      codemirror_mode: 'typescript',
      nbconvert_exporter: 'script',
    },
    banner: `kvlab ${version}, TypeScript ${typescript}, Node ${process.versions.node}`,
    help_links: [{ text: 'TypeScript', url: 'https://www.typescriptlang.org/docs/' }],
    supported_features: ['kernel subshells'],
    debugger: false,
  };
}
