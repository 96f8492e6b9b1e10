import { describe, expect, it } from 'vitest';
import { ErrorCode, GrantReason, Visibility } from './gen/feed/v1/feed_pb.js';
import { settle } from './support/clock.js';
import { short, tape } from './support/tape.js';
import { World } from './support/world.js';

const many = (n: number, prefix = 'a:S') => Array.from({ length: n }, (_, i) => `${prefix}${i}`);

describe('asking', () => {
  it('puts what is asked together into one request, each symbol once', async () => {
    const w = new World(['a:X', 'a:Y', 'a:Z']);
    const session = await w.up();
    w.client.quotes(['a:X', 'a:Y', 'a:X'], { cadenceMs: 100 });
    w.client.quotes(['a:Y', 'a:Z'], { cadenceMs: 100 });
    await settle();
    expect(session.asked('subscribe')).toHaveLength(1);
    expect(session.asked('subscribe')[0]).toMatchObject({ symbols: ['a:X', 'a:Y', 'a:Z'], channels: ['quote'], cadenceMs: 100 });
  });

  it('keeps channels, cadences and histories apart', async () => {
    const w = new World(['a:X', 'a:Y']);
    const session = await w.up();
    w.client.quotes(['a:X'], { cadenceMs: 0 });
    w.client.quotes(['a:Y']);
    w.client.trades(['a:X'], { history: 7 });
    await settle();
    expect(session.asked('subscribe').map((s) => [s.symbols, s.channels, s.cadenceMs, s.history])).toEqual([
      [['a:X'], ['quote'], 0, undefined],
      [['a:Y'], ['quote'], undefined, undefined],
      [['a:X'], ['trade'], undefined, 7],
    ]);
  });

  it('keeps within the symbols and bytes that the server allows', async () => {
    const symbols = many(500, 'a:LONG-NAME-');
    const w = new World(symbols);
    w.server.limits = { ...w.server.limits, clientFrameBytes: 2048, symbolsPerRequest: 60 };
    let longest = 0;
    const session = await w.up();
    const receive = session.receive.bind(session);
    session.receive = (data) => {
      longest = Math.max(longest, data.length);
      receive(data);
    };
    const store = w.client.quotes(symbols, { cadenceMs: 0 });
    await w.clock.advance(3000);
    expect(longest).toBeLessThanOrEqual(2048);
    expect(Math.max(...session.asked('subscribe').map((s) => s.symbols.length))).toBeLessThanOrEqual(60);
    expect(store.symbols()).toEqual(symbols);
  });

  it('spreads requests over time where they would be too many', async () => {
    const w = new World(many(100));
    w.server.limits = { ...w.server.limits, requestsPerSecond: 10, symbolsPerRequest: 2 };
    const session = await w.up();
    const store = w.client.quotes(many(100), { cadenceMs: 0 });
    let before = 0;
    for (let second = 0; second < 11; second++) {
      await w.clock.advance(1000);
      const sent = session.asked('subscribe').length;
      expect(sent - before).toBeLessThanOrEqual(5 + (second === 0 ? 5 : 0));
      before = sent;
    }
    expect(store.symbols()).toHaveLength(100);
  });

  it('sends the last of many rates, not all of them', async () => {
    const w = new World(['a:X']);
    const session = await w.up();
    const store = w.client.quotes(['a:X'], { cadenceMs: 1000 });
    await settle();
    for (let ms = 1000; ms >= 0; ms -= 10) {
      store.setRate(ms);
      await settle();
    }
    await w.clock.advance(2000);
    expect(session.asked('setRate').length).toBeLessThan(60);
    expect(session.asked('setRate').at(-1)!.cadenceMs).toBe(0);
    expect(store.grant).toMatchObject({ cadenceMs: 0, reason: 'wished' });
  });

  it('tries again what was refused as too much at once', async () => {
    const w = new World(['a:X']);
    let refusals = 2;
    w.server.onRequest = (session, frame) => {
      if (frame.request.case !== 'subscribe' || refusals-- <= 0) return false;
      session.send({ replyTo: frame.id, error: { code: ErrorCode.TOO_MANY_REQUESTS, text: 'slow down' } });
      return true;
    };
    const store = w.client.quotes(['a:X']);
    await w.accept();
    await w.clock.advance(5000);
    expect(w.server.last.asked('subscribe')).toHaveLength(3);
    expect(store.results.get('a:X')).toEqual({ ok: true });
    expect(w.errors.map((e) => [e.code, e.retrying])).toEqual([
      ['too-many-requests', true],
      ['too-many-requests', true],
    ]);
  });
});

describe('results', () => {
  it('tells of each symbol whether it was granted, and why not', async () => {
    const w = new World(['a:X']);
    const told: unknown[] = [];
    const store = w.client.quotes(['a:X', 'a:NO', 'b:*']);
    store.onResult((symbol, result) => told.push([symbol, result.ok, result.code]));
    await w.accept();
    expect(told).toEqual(
      expect.arrayContaining([
        ['a:X', true, undefined],
        ['a:NO', false, 'unknown-symbol'],
        ['b:*', false, 'no-match'],
      ]),
    );
    expect(store.results.get('a:NO')).toMatchObject({ ok: false, code: 'unknown-symbol', text: 'a:NO: not known here' });
    expect(store.symbols()).toEqual(['a:X']);
  });

  it('asks a refused symbol again on the next connection, and for the next store', async () => {
    const w = new World([]);
    const store = w.client.quotes(['a:NEW']);
    await w.accept();
    expect(store.results.get('a:NEW')!.ok).toBe(false);
    w.server.list('a:NEW');
    const other = w.client.quotes(['a:NEW']);
    await settle();
    expect([store, other].map((s) => s.results.get('a:NEW'))).toEqual([{ ok: true }, { ok: true }]);
  });

  it('tells a store that joins what is live at once', async () => {
    const w = new World(['a:X', 'a:Y']);
    w.client.quotes(['a:X', 'a:*']);
    const session = await w.accept();
    const asked = session.asked('subscribe').length;
    const store = w.client.quotes(['a:Y', 'a:*']);
    await settle();
    expect(session.asked('subscribe').length).toBe(asked);
    expect(Object.fromEntries(store.results)).toEqual({ 'a:X': { ok: true }, 'a:Y': { ok: true }, 'a:*': { ok: true } });
  });

  it('refuses a request as a whole where the server does', async () => {
    const w = new World(['a:X', 'a:Y']);
    w.server.onRequest = (session, frame) => {
      if (frame.request.case !== 'subscribe') return false;
      session.send({ replyTo: frame.id, error: { code: ErrorCode.NOT_SUPPORTED, text: 'not here' } });
      return true;
    };
    const store = w.client.quotes(['a:X', 'a:*']);
    await w.accept();
    expect(store.results.get('a:X')).toEqual({ ok: false, code: 'not-supported', text: 'not here' });
    expect(store.results.get('a:*')).toEqual({ ok: false, code: 'not-supported', text: 'not here' });
  });

  it('does not wait for a result that never comes', async () => {
    const w = new World(['a:X']);
    w.server.onRequest = (session, frame) =>
      frame.request.case === 'subscribe' && (session.send({ replyTo: frame.id, subscribed: {} }), true);
    const store = w.client.quotes(['a:X']);
    await w.accept();
    expect(store.results.get('a:X')).toMatchObject({ ok: false });
  });
});

describe('sharing', () => {
  it('has one subscription at the fastest cadence that is wished', async () => {
    const w = new World(['a:X']);
    const session = await w.up();
    const handle = w.server.handle(w.server.markets.get('a:X')!, 'quote');
    const cadence = () => session.subscriptions.get(handle)?.cadenceMs;
    const slow = w.client.quotes(['a:X'], { cadenceMs: 1000 });
    await settle();
    expect(cadence()).toBe(1000);
    const fast = w.client.quotes(['a:X'], { cadenceMs: 100 });
    await settle();
    expect(cadence()).toBe(100);
    fast.setRate(0);
    await settle();
    expect(cadence()).toBe(0);
    fast.close();
    await settle();
    expect(cadence()).toBe(1000);
    const usual = w.client.quotes(['a:X']); // the server's default is 250
    await settle();
    expect(cadence()).toBe(250);
    slow.close();
    usual.close();
    await settle();
    expect(session.subscriptions.size).toBe(0);
    expect(session.asked('subscribe')).toHaveLength(1);
  });

  it('says nothing of a store that came and went in one go', async () => {
    const w = new World(['a:X', 'a:Y']);
    const session = await w.up();
    const old = w.client.quotes(['a:X'], { cadenceMs: 100 });
    await settle();
    const before = session.requests.length;
    w.client.quotes(['a:Y']).close();
    w.client.quotes(['a:X'], { cadenceMs: 100 });
    old.close();
    await settle();
    expect(session.requests.length).toBe(before);
  });

  it('lets go what was closed before its answer came', async () => {
    const w = new World(['a:X', 'a:Y']);
    const session = await w.up();
    const held: Array<() => void> = [];
    w.server.onRequest = (s, frame) => {
      if (frame.request.case !== 'subscribe') return false;
      const { value } = frame.request;
      held.push(() => s.subscribe(frame.id, value));
      return true;
    };
    const first = w.client.quotes(['a:X']);
    const store = w.client.quotes(['a:X', 'a:*']);
    await settle();
    store.close();
    await settle();
    held.forEach((answer) => answer());
    await settle();
    expect([...session.subscriptions.values()].map((s) => s.market.symbol).sort()).toEqual(['a:X']);
    expect(first.symbols()).toEqual(['a:X']);
  });

  it('goes on with the rows it has when a pattern names it once more', async () => {
    const w = new World(['a:X', 'a:Y']);
    const store = w.client.quotes(['a:X']);
    await w.accept();
    w.server.quote('a:X', 100);
    await w.flush();
    w.client.quotes(['a:*']);
    await settle();
    w.server.quote('a:X', 101);
    await w.flush();
    expect(store.get('a:X')).toMatchObject({ bid: 101, full: false });
    expect(w.errors).toEqual([]);
  });

  it('hands a store each trade once, however often it names the symbol', async () => {
    const w = new World(['a:X']);
    w.client.trades(['a:X', 'a:*']);
    await w.accept();
    w.server.trade('a:X', 1);
    await w.flush();
    const { events } = tape(w, ['a:X', 'a:*', '*']);
    await settle();
    w.server.trade('a:X', 1);
    await w.flush();
    expect(short(events)).toEqual([1, 2]);
  });

  it('repairs the cadence that a pattern changed', async () => {
    const w = new World(['a:X', 'a:Y']);
    const session = await w.up();
    w.client.quotes(['a:X'], { cadenceMs: 0 });
    await settle();
    w.client.quotes(['a:*'], { cadenceMs: 1000 });
    await settle();
    await settle();
    expect([...session.subscriptions.values()].map((s) => [s.market.symbol, s.cadenceMs])).toEqual([
      ['a:X', 0],
      ['a:Y', 1000],
    ]);
  });
});

describe('patterns', () => {
  it('bring every match, and new ones after a reconnect', async () => {
    const w = new World(['a:X1', 'a:X2', 'b:Y']);
    const store = w.client.quotes(['a:*']);
    w.acceptAll();
    await w.accept();
    for (const s of ['a:X1', 'a:X2', 'b:Y']) w.server.quote(s, 100);
    await w.flush();
    expect(store.symbols()).toEqual(['a:X1', 'a:X2']);
    expect(store.rows().map((r) => r.symbol)).toEqual(['a:X1', 'a:X2']);
    w.server.list('a:X3');
    w.network.last.end();
    await w.clock.advance(1000);
    expect(store.symbols()).toEqual(['a:X1', 'a:X2', 'a:X3']);
    store.close();
    await settle();
    expect(w.server.last.subscriptions.size).toBe(0);
  });
});

describe('visibility and grants', () => {
  it('tells the server who is looking, again after a reconnect', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X']);
    const grants: unknown[] = [];
    store.onGrant((g) => grants.push(g.reason));
    w.acceptAll();
    await w.accept();
    w.client.setVisibility('hidden');
    await settle();
    expect(w.server.last.visibility).toBe(Visibility.HIDDEN);
    expect(grants).toEqual(['default', 'hidden']);
    w.network.last.end();
    await w.clock.advance(1000);
    expect(w.server.last.visibility).toBe(Visibility.HIDDEN);
    w.client.setVisibility('paused');
    w.client.setVisibility('shown');
    await settle();
    expect(w.server.last.visibility).toBe(Visibility.SHOWN);
    expect(w.server.last.asked('setRate').map((r) => r.visibility)).toEqual([Visibility.HIDDEN, Visibility.SHOWN]);
    expect(() => w.client.setVisibility('gone' as any)).toThrow(expect.objectContaining({ code: 'bad-option' }));
  });

  it('tells the server the most bytes a second, again after a reconnect, and not one too few', async () => {
    const w = new World(['a:X']);
    w.client.quotes(['a:X']);
    w.client.setCeiling(20_000);
    w.acceptAll();
    await w.accept();
    const told = () => w.server.last.asked('setRate').map((r) => r.maxBytesPerSecond);
    expect(told()).toEqual([20_000]);
    w.network.last.end();
    await w.clock.advance(1000);
    expect(told()).toEqual([20_000]);
    w.client.setCeiling(5000);
    w.client.setCeiling(0);
    await settle();
    expect(told()).toEqual([20_000, 0]);
    for (const bad of [999, -1, 1500.5, NaN, 2 ** 31, '9000' as any])
      expect(() => w.client.setCeiling(bad)).toThrow(expect.objectContaining({ code: 'bad-option' }));
  });

  it('tells the slowest of its grants', async () => {
    const w = new World(['a:X', 'a:Y']);
    const store = w.client.quotes(['a:X', 'a:Y'], { cadenceMs: 100 });
    const session = await w.accept();
    expect(store.grant).toEqual({ cadenceMs: 100, delayMs: 0, depth: 0, reason: 'wished' });
    const handle = w.server.handle(w.server.markets.get('a:Y')!, 'quote');
    session.send({ grants: [{ handles: [handle], cadenceMs: 2000, reason: GrantReason.CONGESTION }] });
    expect(store.grant).toMatchObject({ cadenceMs: 2000, reason: 'congestion' });
    expect(store.grantOf('a:X')).toMatchObject({ cadenceMs: 100 });
    session.send({ grants: [{ handles: [handle], cadenceMs: 100, reason: 99 as GrantReason }] });
    expect(store.grant).toMatchObject({ cadenceMs: 100 });
  });
});
