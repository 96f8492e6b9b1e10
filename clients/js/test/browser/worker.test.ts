/** Tabs of a real browser, over the packed package without a bundler, and a real server. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { SharedClient } from '../../src/worker/index.js';
import { RealServer } from '../integration/server.js';
import { type Packed, pack, site } from './packed.js';
import { launch } from './site.js';

declare global {
  interface Window {
    feed: SharedClient;
    bid: string;
  }
}

let packed: Packed;
let server: RealServer;
let pages: Awaited<ReturnType<typeof site>>;
let browser: Browser;
let context: BrowserContext;
let withWorker = true;

const html = () => `<!doctype html><title>tab</title><script type="module">
  import { createSharedClient } from '/node_modules/@feedd/client/dist/worker/index.js';
  window.feed = await createSharedClient({ url: '${server.url}'${withWorker ? '' : ", worker: () => new SharedWorker('/nothing-here.js')"} });
  window.bid = '';
  feed.quotes(['test:FAKE']).subscribe(([row]) => { window.bid = String(row.bid); });
</script>`;

beforeAll(async () => {
  [packed, server] = await Promise.all([pack(), RealServer.start()]);
  pages = await site(packed.dir, html);
  browser = await launch();
});
afterEach(async () => {
  await context.close();
  withWorker = true;
});
afterAll(async () => {
  await browser.close();
  await pages.close();
  await server.clean();
  await packed.clean();
});

async function tab(): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (e) => expect.unreachable(String(e)));
  await page.goto(pages.url);
  await page.waitForFunction(() => window.bid !== undefined && window.bid !== '');
  return page;
}

const sessionOf = (page: Page) => page.evaluate(() => window.feed.session);

it('two tabs share one socket, and the one that stays goes on', async () => {
  context = await browser.newContext();
  const [one, two] = [await tab(), await tab()];
  expect(await one.evaluate(() => window.feed.shared)).toBe(true);
  expect(await two.evaluate(() => window.feed.shared)).toBe(true);
  await two.waitForFunction(() => window.feed.session !== undefined);
  const session = await sessionOf(two);
  expect(await sessionOf(one)).toBe(session);
  await one.close();
  const before = await two.evaluate(() => window.bid);
  await two.waitForFunction((bid) => window.bid !== bid, before);
  expect(await sessionOf(two)).toBe(session);
});

it('a worker that cannot be loaded leaves each tab a connection of its own', async () => {
  withWorker = false;
  context = await browser.newContext();
  const [one, two] = [await tab(), await tab()];
  expect(await one.evaluate(() => window.feed.shared)).toBe(false);
  expect(await sessionOf(one)).not.toBe(await sessionOf(two));
});
