import { describe, expect, it } from 'vitest';
import { FeedError, createClient } from '../src/index.js';
import { settle } from './support/clock.js';
import { World } from './support/world.js';

const path = (w: World) => w.states.map((s) => s.state);

describe('connecting', () => {
  it('says hello, is welcomed and is live', async () => {
    const w = new World([], { client: 'desk/1.2' });
    expect(w.client.state).toBe('idle');
    const session = await w.up();
    expect(session.socket.url).toBe('ws://feed/v1/ws');
    expect(session.socket.protocols).toEqual(['feedd.v1.proto']);
    expect(session.socket.binaryType).toBe('arraybuffer');
    expect(session.asked('hello')[0]!.client).toBe('desk/1.2');
    expect(path(w)).toEqual(['connecting', 'live']);
    expect(w.client.session).toBe('s1');
  });

  it('connects by itself with the first store, and only once', () => {
    const w = new World(['a:X']);
    w.client.quotes(['a:X']);
    w.client.trades(['a:X']);
    w.client.connect();
    expect(w.network.sockets.length).toBe(1);
  });

  it('stays closed when a store is made after close', async () => {
    const w = new World(['a:X']);
    await w.up();
    w.client.close();
    w.client.quotes(['a:X']);
    expect(w.client.state).toBe('closed');
    expect(w.network.live).toEqual([]);
    w.client.connect();
    await w.accept();
    expect(w.client.state).toBe('live');
  });

  it('names the fix where there is no WebSocket', () => {
    const given = globalThis.WebSocket;
    try {
      (globalThis as any).WebSocket = undefined;
      expect(() => createClient({ url: 'ws://x/' }).connect()).toThrow(
        expect.objectContaining({ code: 'no-websocket', advice: expect.stringContaining('npm install ws') }),
      );
    } finally {
      globalThis.WebSocket = given;
    }
  });

  it('refuses an address that is none, and is idle as before', () => {
    const Refuses = class {
      constructor(url: string) {
        throw new SyntaxError(`invalid URL ${url}`);
      }
    } as any;
    const client = createClient({ url: 'nonsense', WebSocket: Refuses });
    expect(() => client.connect()).toThrow(
      expect.objectContaining({ code: 'bad-option', text: expect.stringContaining('wss://host/v1/ws') }),
    );
    expect(client.state).toBe('idle');
    expect(() => createClient({ url: '' })).toThrow(FeedError);
    expect(() => createClient({ url: 'ws://x/', client: 'é'.repeat(65) })).toThrow(
      expect.objectContaining({ code: 'bad-option' }),
    );
  });

  it('gives up an attempt without a welcome after 10 s', async () => {
    const w = new World();
    w.client.connect();
    await w.clock.advance(9_999);
    expect(w.client.state).toBe('connecting');
    await w.clock.advance(1);
    expect(w.client.state).toBe('reconnecting');
    expect(w.network.live).toEqual([]);
    expect(w.errors).toEqual([expect.objectContaining({ code: 'unreachable', retrying: true })]);
  });

  it.each(['', 'graphql-ws'])('does not talk to a server that speaks %j', async (protocol) => {
    const w = new World();
    w.client.connect();
    w.network.last.open(protocol);
    await settle();
    expect(w.client.state).toBe('reconnecting');
    expect(w.errors[0]).toMatchObject({ code: 'protocol', text: expect.stringContaining('feedd.v1.proto') });
  });

  it.each([
    ['a text', 'hello', 'protocol'],
    ['garbage', new Uint8Array([0x0a, 0xff]), 'decode'],
  ])('ends a connection that brings %s, and comes back', async (_, message, code) => {
    const w = new World();
    const session = await w.up();
    session.socket.deliver(message);
    expect(session.socket.live).toBe(false);
    expect(w.client.state).toBe('reconnecting');
    expect(w.errors).toEqual([expect.objectContaining({ code, retrying: true })]);
  });
});

describe('coming back', () => {
  it('doubles the ceiling of a random wait, and starts small again after a good connection', async () => {
    const w = new World([], { random: () => 0.999, reconnect: { baseMs: 500, maxMs: 4000 } });
    w.client.connect();
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      w.network.last.end();
      waits.push(Math.ceil(w.states.at(-1)!.retryInMs!));
      await w.clock.advance(4000);
    }
    expect(waits).toEqual([500, 999, 1998, 3996, 3996, 3996]);
    await w.accept();
    await w.clock.advance(5000);
    w.network.last.end();
    expect(w.states.at(-1)).toMatchObject({ state: 'reconnecting', code: 1006, previous: 'live' });
    expect(w.states.at(-1)!.retryInMs).toBeCloseTo(499.5);
  });

  it('keeps growing the wait when connections are welcomed and ended at once', async () => {
    const w = new World([], { random: () => 0.999 });
    w.client.connect();
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      await w.accept();
      w.network.last.end();
      waits.push(Math.ceil(w.states.at(-1)!.retryInMs!));
      await w.clock.advance(waits.at(-1)!);
    }
    expect(waits).toEqual([500, 999, 1998, 3996]);
  });

  it.each([
    [1000, 'closed', undefined],
    [1001, 'reconnecting', 250],
    [1002, 'reconnecting', 250],
    [1006, 'reconnecting', 250],
    [1009, 'reconnecting', 250],
    [4000, 'reconnecting', 250],
    [4001, 'reconnecting', 3000],
    [4002, 'reconnecting', 250],
    [4003, 'reconnecting', 5500],
    [4004, 'reconnecting', 3000],
    [4010, 'reconnecting', 500],
    [4012, 'reconnecting', 35_000],
    [4499, 'reconnecting', 250],
    [4500, 'closed', undefined],
    [4501, 'closed', undefined],
    [4502, 'closed', undefined],
    [4503, 'closed', undefined],
    [4510, 'closed', undefined],
    [4999, 'closed', undefined],
  ] as const)('after close code %d is %s', async (code, state, retryInMs) => {
    const w = new World();
    const session = await w.up();
    session.socket.end(code, 'why');
    expect(w.states.at(-1)).toEqual({
      state,
      previous: 'live',
      code,
      reason: 'why',
      ...(retryInMs !== undefined && { retryInMs }),
    });
    await w.clock.advance(60_000);
    expect(w.network.sockets.length > 1).toBe(state === 'reconnecting');
    expect(w.errors.some((e) => ['transport', 'unauthenticated'].includes(e.code) && !e.retrying)).toBe(code >= 4500);
  });

  it('comes back within the window that goaway names', async () => {
    const w = new World();
    const session = await w.up();
    const goaways: unknown[] = [];
    w.client.on('goaway', (e) => goaways.push(e));
    session.send({ goaway: { reason: 'restart', reconnectMinMs: 2000, reconnectMaxMs: 8000 } });
    expect(goaways).toEqual([{ reason: 'restart', reconnectMinMs: 2000, reconnectMaxMs: 8000, alternates: [] }]);
    expect(w.client.state).toBe('live');
    session.socket.end(4000, 'draining');
    expect(w.states.at(-1)!.retryInMs).toBe(5000);
    await w.clock.advance(4999);
    expect(w.network.sockets.length).toBe(1);
    await w.clock.advance(1);
    expect(w.network.sockets.length).toBe(2);
    // The window was that connection's alone.
    w.network.last.end();
    expect(w.states.at(-1)!.retryInMs).toBe(500);
  });

  it('goes where goaway says, and gives up no encryption for it', async () => {
    const w = new World([], { url: 'wss://feed/v1/ws' });
    const session = await w.up();
    session.send({ goaway: { reason: 'restart', reconnectMinMs: 0, reconnectMaxMs: 0, alternates: ['ws://plain/', 'wss://b/', 'javascript:x', 'wss://c/'] } });
    session.socket.end(4000, 'draining');
    const urls = [];
    for (let n = 0; n < 3; n++) {
      w.client.reconnectNow();
      urls.push(w.network.last.url);
      w.network.last.end();
    }
    expect(urls).toEqual(['wss://b/', 'wss://c/', 'wss://feed/v1/ws']);
  });

  it('tries the nodes of the welcome by turns where its own does not answer', async () => {
    const w = new World();
    w.server.alternates = ['ws://b/', 'ws://c/'];
    await w.up();
    w.network.last.end();
    const urls = [];
    for (let n = 0; n < 6; n++) {
      w.client.reconnectNow();
      urls.push(w.network.last.url.replace('ws://', '').replace('/v1/ws', '/'));
      w.network.last.end();
    }
    expect(urls).toEqual(['feed/', 'b/', 'feed/', 'c/', 'feed/', 'b/']);
  });

  it('tries at once when told to, and only from a wait', async () => {
    const w = new World();
    w.client.reconnectNow();
    expect(w.network.sockets.length).toBe(0);
    await w.up();
    w.client.reconnectNow();
    expect(w.network.sockets.length).toBe(1);
    w.network.last.end();
    w.client.reconnectNow();
    w.client.reconnectNow();
    expect(w.network.sockets.length).toBe(2);
    expect(w.states.at(-1)).toMatchObject({ state: 'reconnecting', retryInMs: 0 });
    await w.accept();
    await w.clock.advance(60_000);
    expect(w.network.sockets.length).toBe(2);
    expect(w.client.state).toBe('live');
  });

  it('hears nothing of a socket that it let go', async () => {
    const w = new World(['a:X']);
    const quotes = w.client.quotes(['a:X']);
    const old = await w.accept();
    w.server.quote('a:X', 100);
    const late = old.rows();
    w.client.close();
    w.client.connect();
    await w.accept();
    const before = w.states.length;
    old.open = true; // its network still carries what was under way
    old.send(late);
    old.socket.end(4500, 'late');
    await settle();
    expect(quotes.get('a:X')).toBeUndefined();
    expect(w.states.length).toBe(before);
    expect(w.network.live).toEqual([w.network.last]);
  });

  it('leaves no timer and no socket behind', async () => {
    const w = new World(['a:X']);
    w.client.quotes(['a:X']);
    await w.accept();
    await w.clock.advance(20_000);
    w.client[Symbol.dispose]();
    expect(w.client.state).toBe('closed');
    expect(w.network.live).toEqual([]);
    expect(w.clock.waiting).toBe(0);
    expect(w.network.last.closedWith).toMatchObject({ code: 1000 });
  });

  it('can be closed by a listener at every change of state', async () => {
    for (const at of ['connecting', 'live', 'reconnecting'] as const) {
      const w = new World(['a:X']);
      w.client.on('state', (e) => e.state === at && w.client.close());
      w.client.quotes(['a:X']);
      if (w.network.last.live) await w.accept();
      if (at === 'reconnecting') w.network.last.end();
      await w.clock.advance(60_000);
      expect(path(w).at(-1)).toBe('closed');
      expect(w.network.live).toEqual([]);
      expect(w.clock.waiting).toBe(0);
    }
  });
});

describe('silence', () => {
  /** Answers pings and sends heartbeats, until it stops. */
  async function beat(w: World, seconds: number): Promise<void> {
    for (let s = 0; s < seconds; s += 5) {
      await w.clock.advance(5000);
      w.server.last.send({ heartbeat: { serverTimeUs: BigInt(w.server.nowUs) } });
    }
  }

  it('is graded: stalled, then lost', async () => {
    const w = new World();
    const session = await w.up();
    await beat(w, 60);
    expect(path(w)).toEqual(['connecting', 'live']);
    session.silent = true;
    await w.clock.advance(10_999);
    expect(w.client.state).toBe('live');
    await w.clock.advance(2000);
    expect(w.client.state).toBe('stalled');
    await w.clock.advance(5000);
    expect(w.client.state).toBe('reconnecting');
    expect(w.network.sockets[0]!.live).toBe(false);
  });

  it('ends with any message', async () => {
    const w = new World();
    const session = await w.up();
    session.silent = true;
    await w.clock.advance(13_000);
    expect(w.client.state).toBe('stalled');
    session.silent = false;
    session.send({ heartbeat: { serverTimeUs: 1n } });
    expect(path(w)).toEqual(['connecting', 'live', 'stalled', 'live']);
  });

  it('is not believed after a sleep: the server is asked first', async () => {
    const w = new World();
    const session = await w.up();
    await beat(w, 30);
    const pings = session.asked('ping').length;
    await w.clock.sleep(3 * 3600_000);
    expect(session.asked('ping').length).toBe(pings + 1);
    await beat(w, 30);
    expect(path(w)).toEqual(['connecting', 'live']);
  });

  it('is believed soon after a sleep that killed the connection', async () => {
    const w = new World();
    const session = await w.up();
    await beat(w, 30);
    session.silent = true;
    await w.clock.sleep(3600_000);
    expect(w.client.state).toBe('live');
    await w.clock.advance(9000);
    expect(w.client.state).toBe('reconnecting');
  });

  it('is not seen where only the timers of a hidden page are late', async () => {
    const w = new World();
    const session = await w.up();
    for (let minute = 0; minute < 10; minute++) {
      for (let s = 0; s < 12; s++) {
        w.clock.set(5000); // timers stand still
        session.send({ heartbeat: { serverTimeUs: 1n } });
      }
      await w.clock.sleep(2500);
    }
    expect(path(w)).toEqual(['connecting', 'live']);
  });

  it('is noticed in a hidden page too', async () => {
    const w = new World();
    const session = await w.up();
    session.silent = true;
    for (let minute = 0; minute < 5 && w.client.state === 'live'; minute++) await w.clock.sleep(60_000);
    expect(w.client.state).toBe('reconnecting');
  });

  it('survives a clock that is set back', async () => {
    const w = new World();
    await w.up();
    await beat(w, 30);
    w.clock.set(-3600_000);
    await beat(w, 30);
    expect(path(w)).toEqual(['connecting', 'live']);
  });
});

describe('latency', () => {
  it('tells the round trip and the offset of the clocks', async () => {
    const w = new World();
    expect(w.client.latency).toEqual({});
    expect(w.client.serverNow()).toBe(w.clock.now());
    w.server.onRequest = (session, frame) => {
      if (frame.request.case !== 'ping') return false;
      const clientTimeUs = frame.request.value.clientTimeUs;
      // 30 ms there, 10 ms back, on a clock that is 5 s ahead.
      const serverTimeUs = BigInt(w.server.nowUs + 30_000 + 5_000_000);
      w.clock.setTimeout(() => session.send({ pong: { clientTimeUs, serverTimeUs } }), 40);
      return true;
    };
    await w.up();
    await w.clock.advance(40);
    expect(w.client.latency.rttMs).toBeCloseTo(40, 2);
    expect(w.client.latency.clockOffsetMs).toBeCloseTo(5010, 2);
    expect(w.client.serverNow()).toBeCloseTo(w.clock.now() + 5010, 2);
    // Clocks drift apart while a machine sleeps: what was measured before says nothing.
    await w.clock.sleep(3600_000);
    expect(w.client.latency).toEqual({});
    await w.clock.advance(40);
    expect(w.client.latency.rttMs).toBeCloseTo(40, 2);
  });

  it('goes by the clock of the server that it is connected to', async () => {
    const w = new World();
    await w.up();
    w.acceptAll();
    await w.clock.advance(20_000);
    expect(w.client.latency.clockOffsetMs).toBeCloseTo(0, 2);
    w.network.last.end();
    w.server.aheadUs = 7_000_000;
    await w.clock.advance(200);
    expect(w.client.state).toBe('reconnecting');
    expect(w.client.latency.clockOffsetMs).toBeCloseTo(0, 2);
    await w.clock.advance(100);
    expect(w.client.latency.clockOffsetMs).toBeCloseTo(7000, 2);
  });
});
