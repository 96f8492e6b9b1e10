/** Every way to the server in a real browser, and what is in the way of it. */
import { createSocket } from 'node:dgram';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { fallback } from '../../src/fallback/index.js';
import type * as Package from '../../src/index.js';
import type { webtransport } from '../../src/webtransport/index.js';
import { Datagrams, Proxy } from '../integration/proxy.js';
import { RealServer } from '../integration/server.js';
import { Site, launch } from './site.js';

declare global {
  var transports: { fallback: typeof fallback; webtransport: typeof webtransport };
  /** What a page saw: states, and trades that did not follow one another. */
  var told: { states: Array<[state: string, transport: string | undefined, reason: string | undefined]>; holes: string[]; trades: number };
  var store: Package.QuoteStore;
  var done: Promise<unknown>;
}

const SYMBOL = 'sim:BTC-USD';
let server: RealServer;
let udp: Datagrams;
let browser: Browser;
let site: Site;
const pages: Page[] = [];
const proxies: Proxy[] = [];

beforeAll(async () => {
  udp = await Datagrams.open();
  server = await RealServer.start('--webtransport-listen', '127.0.0.1:0', '--webtransport-public-url', `https://127.0.0.1:${udp.port}/v1/webtransport`);
  udp.to = Number(new URL(server.places.get('webtransport')!).port);
  site = await Site.open('http://127.0.0.1:* https://127.0.0.1:* ws://127.0.0.1:*');
  browser = await launch();
});
afterEach(async () => {
  for (const page of pages.splice(0)) await page.context().close();
  for (const proxy of proxies.splice(0)) proxy.close();
  udp.swallowing = false;
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  await server?.clean();
  udp?.close();
});

async function open(): Promise<Page> {
  const { page } = await site.page(browser);
  pages.push(page);
  return page;
}

async function between(): Promise<Proxy> {
  const proxy = await Proxy.before(server.port);
  proxies.push(proxy);
  return proxy;
}

/**
 * Has the page follow a symbol over what it finds, WebTransport first: at an address, or as it is told. A patient one gives nothing up that a
 * busy machine may be slow with.
 */
async function follow(page: Page, url: string, address: Parameters<typeof webtransport>[0] = {}, patient = false): Promise<void> {
  await page.evaluate(([url, address, symbol, patient]) => {
    globalThis.told = { states: [], holes: [], trades: 0 };
    const { fallback, webtransport } = transports;
    // Looks for a better way begin after a minute or so, once one was found to be of no use; here it takes a second.
    const ms = (asked: number) => (asked > 20_000 ? 1000 : patient && asked >= 4000 ? 40_000 : asked);
    const clock = { now: Date.now, setTimeout: (fn: () => void, asked: number) => setTimeout(fn, ms(asked)), clearTimeout: (timer: unknown) => clearTimeout(timer as number) };
    const feed = (globalThis.feed = feedd.createClient({
      url, clock, client: 'browser test', reconnect: { baseMs: 50, maxMs: 500 }, transports: fallback([webtransport(address), 'websocket', 'stream', 'poll']),
    }));
    feed.on('state', (e) => told.states.push([e.state, e.transport, e.reason]));
    globalThis.store = feed.quotes(['test:LADDER', symbol], { cadenceMs: 100 });
    let last: { epoch: unknown; sequence: number } | undefined;
    feed.trades([symbol], { cadenceMs: 100, history: 1 }).subscribe((events) => {
      for (const e of events) {
        const { epoch } = e.type === 'trade' ? e.trade : e;
        const [from, to] = e.type === 'trade' ? [e.trade.sequence, e.trade.sequence] : [e.from, e.to];
        if (e.type !== 'trade' || (last !== undefined && (last.epoch !== epoch || from !== last.sequence + 1))) told.holes.push(`${e.type} ${last?.sequence} ${from}`);
        last = { epoch, sequence: to };
        told.trades++;
      }
    });
  }, [url, address, SYMBOL, patient] as const);
}

const over = (page: Page, transport: string) => page.waitForFunction((want) => feed.state === 'live' && feed.transport === want, transport);

/** Waits until the server counts one connection of a kind. */
const counted = (metric: string) => expect.poll(() => server.metric(metric)).toBe(1);

/** Waits for more trades. */
async function traded(page: Page): Promise<void> {
  const before = await page.evaluate(() => told.trades);
  await page.waitForFunction((n) => told.trades > n, before + 5);
}

/** Publishes a price, and waits until the page shows it. */
async function price(page: Page, bid: number): Promise<void> {
  await server.publish('md.test.LADDER.quote', { bid: String(bid), ask: String(bid + 1) });
  await page.waitForFunction((bid) => store.get('test:LADDER')?.bid === bid * 10 ** (store.get('test:LADDER')?.instrument.priceScale ?? 0), bid);
}

describe('WebTransport', () => {
  it('is learned of, brings what is published, is left when no packet comes back, and taken up again; no trade is missing', async () => {
    await server.publish('md.test.LADDER.quote', { bid: '1', ask: '2' });
    const page = await open();
    await follow(page, server.url);
    await over(page, 'webtransport');
    await counted('feedd_transport_connections{http="3",transport="webtransport"}');
    await price(page, 101);
    await traded(page);
    udp.swallowing = true;
    await over(page, 'websocket');
    await price(page, 102);
    await traded(page);
    udp.swallowing = false;
    await over(page, 'webtransport');
    await price(page, 103);
    await traded(page);
    const { states, holes } = await page.evaluate(() => told);
    expect(holes).toEqual([]);
    expect(states.filter(([state]) => state === 'live').map(([, transport]) => transport).filter((t, i, all) => t !== all[i - 1])).toEqual(['websocket', 'webtransport', 'websocket', 'webtransport']);
  });

  it('is where the next visit begins', async () => {
    const page = await open();
    await follow(page, server.url);
    await over(page, 'webtransport');
    await page.reload();
    await page.waitForFunction(() => document.title === 'ready');
    await follow(page, server.url, {}, true);
    await over(page, 'webtransport');
    expect(await page.evaluate(() => told.states.filter(([state]) => state === 'live').map(([, transport]) => transport))).toEqual(['webtransport']);
  });

  it('that nobody answers is given up for a WebSocket', async () => {
    const nobody = createSocket('udp4');
    await new Promise<void>((resolve) => nobody.bind(0, '127.0.0.1', resolve));
    const page = await open();
    await follow(page, server.url, { url: `https://127.0.0.1:${nobody.address().port}/v1/webtransport`, certificateHashes: ['ab'.repeat(32)] });
    await over(page, 'websocket');
    await price(page, 104);
    expect(await page.evaluate(() => told.states.find(([state]) => state === 'live')![1])).toBe('websocket');
    nobody.close();
  });

  it('with another certificate than was told is given up for a WebSocket', async () => {
    const page = await open();
    await follow(page, server.url, { url: server.places.get('webtransport')!, certificateHashes: ['ab'.repeat(32)] });
    await over(page, 'websocket');
    await price(page, 105);
  });

  it('tells the page the code and the reason with which the server ends a session', async () => {
    const page = await open();
    await page.evaluate(async (url) => {
      const socket = new WebSocket(url, ['feedd.v1.json']);
      const welcome = await new Promise<{ webtransport: { url: string; certificateSha256: string[] } }>((resolve) => {
        socket.onopen = () => socket.send('{"hello":{}}');
        socket.onmessage = (e) => resolve((JSON.parse(e.data as string) as { welcome: never }).welcome);
      });
      socket.close();
      const { url: address, certificateSha256 } = welcome.webtransport;
      const session = new WebTransport(address, {
        serverCertificateHashes: certificateSha256.map((hash) => ({ algorithm: 'sha-256', value: Uint8Array.from(atob(hash), (c) => c.charCodeAt(0)) })),
      });
      await session.ready;
      const { writable } = await session.createBidirectionalStream();
      // A length beyond what the server takes.
      await writable.getWriter().write(Uint8Array.from([0xff, 0xff, 0xff, 0x7f]));
      globalThis.done = session.closed;
    }, server.url);
    expect(await page.evaluate(() => done)).toEqual({ closeCode: 1009, reason: expect.stringContaining('bytes') });
  });
});

describe('where a proxy lets no WebSocket through', () => {
  it('a page streams, and says so', async () => {
    const proxy = await between();
    const page = await open();
    udp.swallowing = true;
    await follow(page, proxy.url);
    await over(page, 'stream');
    await price(page, 106);
    await traded(page);
    expect(await page.evaluate(() => [store.stats.transport, told.states.find(([state]) => state === 'live'), told.holes])).toEqual(['stream', ['live', 'stream', undefined], []]);
    expect(proxy.heads.filter((head) => /^upgrade: websocket/im.test(head)).length).toBeGreaterThan(1);
    await counted('feedd_transport_connections{http="1.1",transport="stream"}');
  });
});

describe('an EventSource', () => {
  it('comes back by itself where it stopped', async () => {
    const proxy = await between();
    const page = await open();
    await page.evaluate(([url, symbol]) => {
      globalThis.told = { states: [], holes: [], trades: 0 };
      let last = 0;
      const source = new EventSource(`${url}?symbols=${symbol}&channels=trade,quote&cadence_ms=100`);
      source.onopen = () => told.states.push(['open', 'sse', undefined]);
      source.onmessage = (e) => {
        const frame = JSON.parse(e.data as string) as { tradeTexts?: Array<{ sequence: string; epoch: string }>; lost?: unknown; gap?: unknown };
        for (const trade of frame.tradeTexts ?? []) {
          const sequence = Number(trade.sequence);
          if (sequence <= last) continue; // its id did not arrive, so it comes again
          if (last > 0 && sequence !== last + 1) told.holes.push(`${last} ${sequence}`);
          last = sequence;
          told.trades++;
        }
      };
    }, [`http://127.0.0.1:${proxy.port}/v1/sse`, SYMBOL] as const);
    await traded(page);
    await counted('feedd_transport_connections{http="1.1",transport="sse"}');
    for (let round = 2; round <= 3; round++) {
      proxy.cut();
      await page.waitForFunction((n) => told.states.length >= n, round);
      await traded(page);
    }
    expect(await page.evaluate(() => told.holes)).toEqual([]);
    const ids = proxy.heads.map((head) => /^last-event-id: (.*)$/im.exec(head)?.[1]);
    expect(ids).toEqual([undefined, expect.stringMatching(/^@\d+ sim:BTC-USD=\d+/), expect.stringMatching(/^@\d+ sim:BTC-USD=\d+/)]);
  });
});
