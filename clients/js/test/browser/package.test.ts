/** The packed package where it is used: imported in Node, and by a bundler. */
import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { type Packed, pack } from './packed.js';

const names = Object.keys(manifest.exports).filter((path) => path !== './package.json').map((path) => `@feedd/client${path.slice(1)}`);

let packed: Packed;
beforeAll(async () => {
  packed = await pack();
  const react = dirname(createRequire(import.meta.url).resolve('react/package.json'));
  await symlink(react, join(packed.dir, 'node_modules/react')); // which an application brings
});
afterAll(() => packed.clean());

it.each(names)('%s can be imported in Node, where it does nothing yet', async (name) => {
  const script = `const { ${name.endsWith('/host') ? 'Host' : 'default: none = 1'} } = await import('${name}'); process.stdout.write('ok');`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: packed.dir });
  expect([stdout, stderr]).toEqual(['ok', '']);
});

it.each(names.filter((name) => !name.endsWith('/node')))('%s goes through a bundler for browsers', async (name) => {
  const { outputFiles, warnings } = await build({
    stdin: { contents: `export * from '${name}';`, resolveDir: packed.dir }, bundle: true, write: false, format: 'esm', platform: 'browser', external: ['react'],
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  expect(outputFiles[0]!.text).not.toMatch(/node:|\brequire\(|\beval\(|new Function/);
});
