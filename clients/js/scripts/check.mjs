// Whether what would be published is in order: entries, types, size, and an API reference that is fresh. Wants a built dist/.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = fileURLToPath(new URL('..', import.meta.url));
const attw = join(dirname(createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json')), 'dist/index.js');

/** Runs a script of Node's; what it prints is shown, and a status other than 0 is the end. */
function run(...args) {
  try {
    execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  } catch {
    process.exit(1);
  }
}

const { messages, pkg } = await publint({ pkgDir: root, strict: true });
for (const message of messages) console.error(formatMessage(message, pkg));
if (messages.length > 0) process.exit(1);
console.log('publint: nothing to say');
run(attw, '--pack', '.', '--profile', 'esm-only', '--quiet');
console.log('are the types wrong: no');
run('scripts/size.mjs', 'dist');

const fresh = mkdtempSync(join(tmpdir(), 'feedd-docs-'));
try {
  run(join(dirname(createRequire(import.meta.url).resolve('typedoc/package.json')), 'bin/typedoc'), '--out', fresh);
  const kept = join(root, 'docs/api');
  const text = (dir) => readdirSync(dir).sort().map((name) => `${name}\n${readFileSync(join(dir, name), 'utf8')}`).join('');
  if (text(fresh) !== text(kept)) {
    console.error('docs/api is stale: npm run docs -w clients/js');
    process.exit(1);
  }
  console.log('docs/api is fresh');
} finally {
  rmSync(fresh, { recursive: true });
}
