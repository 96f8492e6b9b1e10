/**
 * Against the real server, which FEEDD_BIN names. It runs with a simulated market and is stopped and
 * started on the same ports.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type Client, type FeedError, type QuoteRow, type TradeEvent, createClient } from '../../src/index.js';

const binary = process.env.FEEDD_BIN;
if (binary === undefined || !existsSync(binary))
  throw new Error(`FEEDD_BIN is ${JSON.stringify(binary)}: want the path of a feedd binary (go build -o bin/feedd ./cmd/feedd)`);

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

let port: number;
let dir: string;
let running: ChildProcess | undefined;

async function start(): Promise<void> {
  const args = ['serve', '--listen', `127.0.0.1:${port}`, '--admin-listen', '127.0.0.1:0', '--data-dir', dir, '--sim', 'on'];
  const child = spawn(binary!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  const said: string[] = [];
  child.stderr!.on('data', (b) => said.push(String(b)));
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`feedd ended with ${code}: ${said.join('')}`)));
    createInterface(child.stdout!).on('line', (line) => line.startsWith('dashboard') && resolve());
  });
}

/** Ends the server and returns its exit code. */
async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  const child = running;
  running = undefined;
  if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill(signal);
  return code;
}

const clients: Client[] = [];
function connect(reconnect = { baseMs: 50, maxMs: 500 }): { feed: Client; errors: FeedError[] } {
  const errors: FeedError[] = [];
  const feed = createClient({ url: `ws://127.0.0.1:${port}/v1/ws`, WebSocket, reconnect, client: 'integration' });
  feed.on('error', (e) => errors.push(e));
  clients.push(feed);
  return { feed, errors };
}

/** Waits for what listeners bring; the test's own time limit ends a wait in vain. */
function when<T>(subscribe: (fn: (e: T) => void) => () => void, holds: (e: T) => boolean): Promise<T> {
  return new Promise((resolve) => {
    const stop = subscribe((e) => {
      if (!holds(e)) return;
      stop();
      resolve(e);
    });
  });
}

beforeAll(async () => {
  port = await freePort();
  dir = await mkdtemp(join(tmpdir(), 'feedd-integration-'));
  await start();
});
afterEach(() => clients.splice(0).forEach((c) => c.close()));
afterAll(async () => {
  await stop();
  await rm(dir, { recursive: true, force: true });
});

describe('the real server', () => {
  it('moves the test instrument', async () => {
    const { feed, errors } = connect();
    const store = feed.quotes(['test:FAKE'], { cadenceMs: 0 });
    const bids = new Set<number | null>();
    await when<readonly QuoteRow[]>(
      (fn) => store.subscribe(fn),
      (rows) => {
        rows.forEach((r) => bids.add(r.bid));
        return bids.size >= 3;
      },
    );
    const row = store.get('test:FAKE')!;
    expect(row.instrument).toMatchObject({ symbol: 'test:FAKE' });
    expect(row.bid!).toBeLessThan(row.ask!);
    expect(row.quality).toBe('ok');
    expect(store.grant).toEqual({ cadenceMs: 0, delayMs: 0, reason: 'wished' });
    expect(feed.latency.rttMs).toBeGreaterThanOrEqual(0);
    expect(Math.abs(feed.latency.clockOffsetMs!)).toBeLessThan(1000);
    expect(errors).toEqual([]);
  });

  it('matches patterns, refuses with reasons, and rounds the rate', async () => {
    const { feed } = connect();
    const store = feed.quotes(['sim:*', 'sim:NOT-LISTED', 'nowhere:*'], { cadenceMs: 120 });
    await when<readonly QuoteRow[]>(
      (fn) => store.subscribe(fn),
      () => store.rows().length >= 10 && store.grant !== undefined,
    );
    expect(store.symbols().length).toBeGreaterThanOrEqual(10);
    expect(store.results.get('sim:NOT-LISTED')).toMatchObject({
      ok: false,
      code: 'unknown-symbol',
      text: expect.stringContaining('NOT-LISTED'),
    });
    expect(store.results.get('nowhere:*')).toMatchObject({ ok: false, code: 'no-match' });
    expect(store.grant!.reason).toBe('rounded');
    const changed = when<{ cadenceMs: number }>(
      (fn) => store.onGrant(fn),
      (g) => g.cadenceMs === 1000,
    );
    store.setRate(1000);
    await changed;
  });

  it('gives every trade in order', async () => {
    const { feed, errors } = connect();
    const store = feed.trades(['sim:*', 'test:FAKE'], { history: 5 });
    const last = new Map<string, TradeEvent>();
    let count = 0;
    await when<readonly TradeEvent[]>(
      (fn) => store.subscribe(fn),
      (events) => {
        for (const e of events) {
          const [symbol, epoch, from, to] =
            e.type === 'trade'
              ? [e.trade.symbol, e.trade.epoch, e.trade.sequence, e.trade.sequence]
              : [e.symbol, e.epoch, e.from, e.to];
          const before = last.get(symbol) as unknown as [unknown, number] | undefined;
          if (before !== undefined && before[0] === epoch) expect(from).toBe(before[1] + 1);
          last.set(symbol, [epoch, to] as never);
          if (e.type === 'trade') count++;
        }
        return count >= 500;
      },
    );
    expect(errors).toEqual([]);
  });

  it('hides and shows', async () => {
    const { feed } = connect();
    const store = feed.quotes(['sim:*'], { cadenceMs: 100 });
    await when<readonly QuoteRow[]>(
      (fn) => store.subscribe(fn),
      () => true,
    );
    const hidden = when<{ reason: string }>(
      (fn) => store.onGrant(fn),
      (g) => g.reason === 'hidden',
    );
    feed.setVisibility('hidden');
    await hidden;
    const shown = when<{ reason: string }>(
      (fn) => store.onGrant(fn),
      (g) => g.reason === 'wished',
    );
    feed.setVisibility('shown');
    await shown;
  });

  it('is found again after a restart, with fresh rows', async () => {
    const { feed, errors } = connect();
    const quotes = feed.quotes(['test:FAKE'], { cadenceMs: 0 });
    const trades = feed.trades(['test:FAKE'], { history: 0 });
    await when<readonly QuoteRow[]>(
      (fn) => quotes.subscribe(fn),
      () => true,
    );
    const session = feed.session;
    const down = when<{ state: string }>(
      (fn) => feed.on('state', fn),
      (e) => e.state === 'reconnecting',
    );
    expect(await stop()).toBe(0);
    await down;
    const before = quotes.get('test:FAKE')!;
    const fresh = when<readonly QuoteRow[]>(
      (fn) => quotes.subscribe(fn),
      (rows) => rows.some((r) => r.full && r.ingestTimeUs > before.ingestTimeUs),
    );
    const traded = when<readonly TradeEvent[]>(
      (fn) => trades.subscribe(fn),
      (events) => events.some((e) => e.type === 'trade'),
    );
    await start();
    await fresh;
    await traded;
    expect(feed.state).toBe('live');
    expect(feed.session).not.toBe(session);
    expect(errors.filter((e) => e.code !== 'transport')).toEqual([]);
  });
});
