/** What users get: small, without dependencies, and without effect until it is used. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import manifest from '../package.json' with { type: 'json' };

const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url));
const bundle = async (contents?: string) => {
  const { outputFiles } = await build({
    ...(contents === undefined
      ? { entryPoints: [entry] }
      : { stdin: { contents, resolveDir: fileURLToPath(new URL('..', import.meta.url)), loader: 'ts' } }),
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  return outputFiles[0]!.contents;
};

describe('the package', () => {
  const zipped = async (contents?: string) => gzipSync(await bundle(contents), { level: 9 }).length;

  it('stays within 20 KB with every channel, minified and compressed', async () => {
    expect(await zipped()).toBeLessThanOrEqual(20 * 1024);
  });

  it('stays within 15 KB for a page of quotes and trades', async () => {
    const page = `import { createTickClient, formatPrice, formatSize } from './src/index.ts'; console.log(createTickClient, formatPrice, formatSize);`;
    expect(await zipped(page)).toBeLessThanOrEqual(15 * 1024);
  });

  it('costs those who only format numbers next to nothing', async () => {
    const bytes = await bundle(`import { formatPrice } from './src/index.ts'; console.log(formatPrice(1, null as any));`);
    expect(bytes.length).toBeLessThan(1500);
  });

  it('has no dependencies at run time', () => {
    expect(manifest).not.toHaveProperty('dependencies');
    expect(manifest.sideEffects).toBe(false);
  });

  it('touches no globals when imported, and needs no page', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'feedd-client-'));
    try {
      const file = join(dir, 'index.mjs');
      await build({ entryPoints: [entry], bundle: true, format: 'esm', target: 'es2022', outfile: file });
      const script = `
        const touched = [];
        for (const name of ['WebSocket', 'TextDecoder', 'TextEncoder', 'performance', 'setTimeout', 'queueMicrotask', 'reportError', 'document', 'window']) {
          Object.defineProperty(globalThis, name, { configurable: true, get() { touched.push(name); } });
        }
        const before = Object.getOwnPropertyNames(globalThis).join();
        const { createClient } = await import(${JSON.stringify(file)});
        const client = createClient({ url: 'ws://localhost/', clock: { now: () => 0, setTimeout() {}, clearTimeout() {} } });
        const same = before === Object.getOwnPropertyNames(globalThis).join();
        process.stdout.write(JSON.stringify({ touched, same, state: client.state }));`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
      expect(JSON.parse(stdout)).toEqual({ touched: [], same: true, state: 'idle' });
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
