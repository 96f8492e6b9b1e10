/** The client in a real browser, against the real server, on a page whose policy forbids evaluating text as code. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type * as Package from '../../src/index.js';
import { RealServer } from '../integration/server.js';
import { Site, launch } from './site.js';

declare global {
  // What page.js and follow() leave in the page.
  var feedd: typeof Package;
  var feed: Package.Client;
  var quotes: Package.QuoteStore;
  var seen: { states: string[]; errors: string[]; paces: Package.PaceEvent[]; holes: string[] };
  /** Busy for so many rounds of some work with each batch. */
  var work: number;
}

let server: RealServer;
let browser: Browser;
let site: Site;
const pages: Page[] = [];

beforeAll(async () => {
  server = await RealServer.start();
  site = await Site.open(server.url.replace('/v1/ws', ''));
  browser = await launch();
});
afterEach(async () => {
  for (const page of pages.splice(0)) await page.context().close();
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  await server?.clean();
});

/** Has the page follow quotes and trades, and note what happens. */
async function follow(page: Page, options: Partial<Package.ClientOptions> = {}, cadenceMs = 100): Promise<void> {
  pages.push(page);
  await page.evaluate(
    ([url, options, cadenceMs]) => {
      globalThis.seen = { states: [], errors: [], paces: [], holes: [] };
      globalThis.work = 0;
      const feed = (globalThis.feed = feedd.createClient({ url, client: 'browser test', ...options }));
      feed.on('state', (e) => seen.states.push(e.state));
      feed.on('error', (e) => seen.errors.push(e.code));
      feed.on('pace', (e) => seen.paces.push(e));
      globalThis.quotes = feed.quotes(['sim:*'], { cadenceMs });
      const last = new Map<string, { epoch: unknown; sequence: number }>();
      feed.trades(['sim:*'], { cadenceMs, history: 1 }).subscribe((events) => {
        for (const e of events) {
          const t = e.type === 'trade' ? { symbol: e.trade.symbol, epoch: e.trade.epoch, from: e.trade.sequence, to: e.trade.sequence } : e;
          const before = last.get(t.symbol);
          if (before !== undefined && before.epoch === t.epoch && t.from !== before.sequence + 1) seen.holes.push(`${t.symbol} ${before.sequence} ${t.from}`);
          last.set(t.symbol, { epoch: t.epoch, sequence: t.to });
        }
      });
      quotes.subscribe((rows) => {
        let sum = 0;
        for (let i = 0; i < work * rows.length; i++) sum += Math.sqrt(i);
        return sum;
      });
    },
    [server.url, options, cadenceMs] as const,
  );
  await moving(page);
}

/** Waits until all rows are younger than all of those now. */
async function moving(page: Page): Promise<void> {
  const from = await page.evaluate(() => Math.max(0, ...quotes.rows().map((q) => q.cutTimeUs)));
  await page.waitForFunction((from) => feed.state === 'live' && quotes.rows().length >= 40 && quotes.rows().every((q) => q.cutTimeUs > from), from);
}

const state = (page: Page, state: string) => page.waitForFunction((want) => feed.state === want, state);
const noted = (page: Page) => page.evaluate(() => seen);

describe('in a browser', () => {
  it('runs under a strict policy, with compression, and formats what it gets', async () => {
    const extensions: string[] = [];
    const { page, complaints } = await site.page(browser, async (page) => {
      const session = await page.context().newCDPSession(page);
      await session.send('Network.enable');
      session.on('Network.webSocketHandshakeResponseReceived', ({ response }) => extensions.push(response.headers['Sec-WebSocket-Extensions'] ?? ''));
    });
    await follow(page);
    const text = await page.evaluate(() => quotes.rows().map((q) => feedd.formatPrice(q.bid, q.instrument)));
    for (const price of text) expect(price).toMatch(/^\d+(\.\d+)?$/);
    await expect.poll(() => extensions).toEqual([expect.stringContaining('permessage-deflate')]);
    const { states, errors, holes } = await noted(page);
    expect([complaints, states, errors, holes]).toEqual([[], ['connecting', 'live'], [], []]);
  });

  it('comes back after a server that died', async () => {
    const { page } = await site.page(browser);
    await follow(page);
    await server.stop('SIGKILL');
    await state(page, 'reconnecting');
    await server.start();
    await state(page, 'live');
    await moving(page);
    const { states, errors, holes } = await noted(page);
    expect([states[0], states.at(-1), holes]).toEqual(['connecting', 'live', []]);
    expect(errors.filter((code) => code !== 'unreachable')).toEqual([]); // each outage is told once, however many attempts
    expect(errors.length).toBeLessThanOrEqual(1);
  });

  it('sees a network that is gone, though its socket stays open, and goes on when it is back', async () => {
    const { page } = await site.page(browser);
    await follow(page);
    await page.context().setOffline(true);
    await state(page, 'stalled');
    await state(page, 'reconnecting');
    await page.context().setOffline(false);
    await state(page, 'live');
    await moving(page);
    const { states, holes } = await noted(page);
    expect(states.filter((s, i) => s !== states[i - 1])).toEqual(['connecting', 'live', 'stalled', 'reconnecting', 'live']);
    expect(holes).toEqual([]);
  });

  it('keeps a connection that lived through a sleep, and soon gives up one that did not', async () => {
    const { page } = await site.page(browser, (page) => page.clock.install());
    await follow(page);
    await page.clock.fastForward('03:00:00');
    await moving(page);
    expect((await noted(page)).states).toEqual(['connecting', 'live']);

    server.pause(); // the other end is there no more, and nobody says so
    await page.clock.fastForward('03:00:00');
    await state(page, 'reconnecting');
    server.resume();
    await state(page, 'live');
    await moving(page);
    expect((await noted(page)).holes).toEqual([]);
  });

  it('closes ahead of the back-forward cache, and is live again behind it', async () => {
    const { page } = await site.page(browser);
    await follow(page);
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })));
    expect(await page.evaluate(() => feed.state)).toBe('reconnecting');
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
    await moving(page);
    expect((await noted(page)).holes).toEqual([]);
  });
});

describe('the example of a page without tools', () => {
  it('shows prices that move', async () => {
    const page = await browser.newPage();
    pages.push(page);
    await page.goto(`${site.url}examples/vanilla.html?url=${encodeURIComponent(server.url)}`);
    await page.waitForFunction(() => document.querySelector('#state')!.textContent === 'live' && document.querySelectorAll('#quotes tr').length > 20);
    const text = () => page.evaluate(() => document.querySelector('#quotes')!.textContent!);
    const before = await text();
    await expect.poll(text).not.toBe(before);
    expect(before).toMatch(/sim:BTC-USD\d+\.\d\d/);
  });
});
