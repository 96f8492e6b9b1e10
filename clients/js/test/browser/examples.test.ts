/** The examples of React and of shared workers, over the packed package, as a person would open them. */
import { cp, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RealServer } from '../integration/server.js';
import { type Packed, pack, site } from './packed.js';
import { launch } from './site.js';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));

let packed: Packed;
let server: RealServer;
let pages: Awaited<ReturnType<typeof site>>;
let browser: Browser;
let query: string;

beforeAll(async () => {
  [packed, server] = await Promise.all([pack(), RealServer.start('--webtransport-listen', '127.0.0.1:0')]);
  const { resolve } = createRequire(import.meta.url);
  for (const name of ['react', 'react-dom', 'scheduler']) {
    const from = name === 'scheduler' ? createRequire(resolve('react-dom/package.json')) : { resolve };
    await symlink(dirname(from.resolve(`${name}/package.json`)), join(packed.dir, 'node_modules', name));
  }
  await cp(examples, join(packed.dir, 'node_modules/@feedd/client/examples'), { recursive: true });
  await cp(join(examples, 'react.jsx'), join(packed.dir, 'react.jsx'));
  const { outputFiles } = await build({
    absWorkingDir: packed.dir, entryPoints: ['react.jsx'], bundle: true, jsx: 'automatic', format: 'esm', write: false, define: { 'process.env.NODE_ENV': '"development"' },
  });
  await writeFile(join(packed.dir, 'app.js'), outputFiles[0]!.contents);
  pages = await site(packed.dir, () => '<!doctype html><title>react</title><div id="root"></div><script type="module" src="/app.js"></script>');
  browser = await launch();
  query = `?url=${encodeURIComponent(server.url)}`;
});
afterAll(async () => {
  await browser.close();
  await pages.close();
  await server.clean();
  await packed.clean();
});

it('the React example shows prices that move', async () => {
  const page = await browser.newPage();
  page.on('pageerror', (e) => expect.unreachable(String(e)));
  await page.goto(`${pages.url}${query}`);
  const bid = page.locator('[id="test:FAKE"] .bid');
  await bid.waitFor();
  await page.locator('#state', { hasText: /^live$/ }).waitFor(); // of all that is subscribed
  const before = await bid.textContent();
  await page.waitForFunction((text) => document.querySelector('[id="test:FAKE"] .bid')!.textContent !== text, before);
  await page.getByText(/^last: \d/).waitFor();
  await page.close();
});

it('the example of shared workers shows one session in two tabs', async () => {
  const context = await browser.newContext();
  const sessions: Array<string | null> = [];
  for (let tab = 0; tab < 2; tab++) {
    const page = await context.newPage();
    await page.goto(`${pages.url}node_modules/@feedd/client/examples/worker.html${query}`);
    await page.getByText('shared by all tabs').waitFor();
    await page.waitForFunction(() => !['…', ''].includes(document.getElementById('session')!.textContent!));
    sessions.push(await page.textContent('#session'));
  }
  expect(sessions[0]).toBe(sessions[1]);
  await context.close();
});

it('the example of transports moves from a WebSocket to WebTransport, and says so', async () => {
  const page = await browser.newPage();
  page.on('pageerror', (e) => expect.unreachable(String(e)));
  await page.goto(`${pages.url}node_modules/@feedd/client/examples/transports.html${query}`);
  await page.waitForFunction(() => document.getElementById('transport')!.textContent === 'webtransport');
  const before = await page.textContent('#bid');
  await page.waitForFunction((text) => document.getElementById('bid')!.textContent !== text, before);
  const log = await page.locator('#log li').allTextContents();
  expect(log).toContain('live over websocket');
  expect(log.at(-1)).toBe('live over webtransport');
  await page.close();
});
