/** The real server and what happens to it, and to those who are connected. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import type { Client, QuoteRow, QuoteStore, StateEvent, TradeEvent } from '../../src/index.js';
import { RealServer, when } from './server.js';

let server: RealServer;
beforeAll(async () => void (server = await RealServer.start()));
afterEach(() => server.closeClients());
afterAll(() => server.clean());

/** The ws package's, with the sockets that were made. */
const sockets: WebSocket[] = [];
class Watched extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    sockets.push(this);
  }
}

interface Member {
  feed: Client;
  quotes: QuoteStore;
  /** Waits that it was told of, and when its rows were there again. */
  waits: number[];
  backAt: number | undefined;
}

/** Many clients that look at the same thing, all of them live with rows. */
async function crowd(count: number): Promise<Member[]> {
  const members = Array.from({ length: count }, (): Member => {
    const { feed } = server.connect({ reconnect: {} });
    const member: Member = { feed, quotes: feed.quotes(['sim:BTC-USD', 'sim:ETH-*'], { cadenceMs: 1000 }), waits: [], backAt: undefined };
    feed.on('state', (e: StateEvent) => void (e.retryInMs !== undefined && e.retryInMs > 0 && member.waits.push(e.retryInMs)));
    return member;
  });
  await Promise.all(members.map((m) => when<readonly QuoteRow[]>((fn) => m.quotes.subscribe(fn), () => m.quotes.rows().length >= 2)));
  return members;
}

/** Waits until each has a row that came whole since. */
async function back(members: Member[]): Promise<void> {
  await Promise.all(
    members.map(async (m) => {
      await when<readonly QuoteRow[]>((fn) => m.quotes.subscribe(fn), (rows) => m.feed.state === 'live' && rows.some((r) => r.full));
      m.backAt = Date.now();
    }),
  );
}

function histogram(name: string, values: number[], width: number): void {
  const buckets = new Map<number, number>();
  for (const v of values) buckets.set(Math.floor(v / width), (buckets.get(Math.floor(v / width)) ?? 0) + 1);
  const most = Math.max(...buckets.values());
  const lines = [...buckets].sort((a, b) => a[0] - b[0]).map(([b, n]) => `${String(b * width).padStart(7)} ms ${String(n).padStart(4)} ${'#'.repeat(Math.ceil((40 * n) / most))}`);
  console.info(`${name}\n${lines.join('\n')}`);
}

describe('a server that goes', () => {
  it('in order tells each client when to come back, and they do', async () => {
    const members = await crowd(100);
    const windows = members.map((m) => when<{ reason: string; reconnectMinMs: number; reconnectMaxMs: number }>((fn) => m.feed.on('goaway', fn), () => true));
    const down = members.map((m) => when<StateEvent>((fn) => m.feed.on('state', fn), (e) => e.state === 'reconnecting'));
    expect(await server.stop()).toBe(0);
    const told = await Promise.all(down);
    for (const [i, window] of (await Promise.all(windows)).entries()) {
      const { code, retryInMs } = told[i]!;
      expect(code).toBe(4000);
      expect(retryInMs).toBeGreaterThanOrEqual(window.reconnectMinMs);
      expect(retryInMs).toBeLessThanOrEqual(window.reconnectMaxMs);
    }
    histogram('drained: waits', told.map((e) => e.retryInMs!), 100);
    await server.start();
    await back(members);
    expect(members.every((m) => m.feed.state === 'live')).toBe(true);
  });

  it('without a word is met by attempts that are spread, and has everybody back', async () => {
    const members = await crowd(200);
    const down = members.map((m) => when<StateEvent>((fn) => m.feed.on('state', fn), (e) => e.state === 'reconnecting'));
    for (const m of members) m.waits.length = 0;
    await server.stop('SIGKILL');
    await Promise.all(down);
    const first = members.map((m) => m.waits[0]!);
    expect(Math.min(...first)).toBeLessThan(100); // of 0 to 500: with 200 of them all but certain
    expect(Math.max(...first)).toBeGreaterThan(400);
    await server.start();
    const startedAt = Date.now();
    await back(members);
    histogram('killed: first waits', first, 50);
    histogram('killed: rows again, since the server was ready', members.map((m) => m.backAt! - startedAt), 250);
    histogram('killed: attempts', members.map((m) => m.waits.length), 1);
    expect(members.every((m) => m.feed.state === 'live')).toBe(true);
  });
});

describe('a client that does not read', () => {
  it('is not ended, and has fresh rows, and every trade or word of it, when it reads again', async () => {
    const { feed, errors } = server.connect({ WebSocket: Watched, adaptive: false });
    const quotes = feed.quotes(['sim:*'], { cadenceMs: 0 });
    const trades = feed.trades(['sim:*'], { cadenceMs: 0, history: 1 });
    const positions = new Map<string, { epoch: unknown; sequence: number }>();
    let count = 0;
    trades.subscribe((events: readonly TradeEvent[]) => {
      for (const e of events) {
        const t = e.type === 'trade' ? { ...e.trade, from: e.trade.sequence, to: e.trade.sequence } : e;
        const before = positions.get(t.symbol);
        if (before !== undefined && before.epoch === t.epoch) expect(t.from, t.symbol).toBe(before.sequence + 1);
        positions.set(t.symbol, { epoch: t.epoch, sequence: t.to });
        count++;
      }
    });
    await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), () => quotes.rows().length >= 40 && count > 100);
    const socket = sockets.at(-1)!;
    expect(socket.extensions).toContain('permessage-deflate');
    const { session } = feed;
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 7000)); // what it does not read is more than anybody keeps for it
    const pausedAt = feed.serverNow();
    socket.resume();
    await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), () => quotes.rows().every((r) => r.cutTimeUs / 1000 > pausedAt));
    const seen = count;
    await when<readonly TradeEvent[]>((fn) => trades.subscribe(fn), () => count > seen + 100);
    expect([feed.session, feed.state, errors]).toEqual([session, 'live', []]);
    console.info(`a client that does not read: ${trades.stats.lost} trades told lost, lag now ${Math.round(quotes.stats.lagMs!)} ms`);
  });
});
