/** What users get: small, without dependencies, and without effect until it is used. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { page, pages } from '../scripts/size.mjs';

const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url));

describe('the package', () => {
  it.each(pages)('costs a page within $most bytes, minified and compressed: $name', async (p) => {
    expect((await page(p)).gzip).toBeLessThanOrEqual(p.most);
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
