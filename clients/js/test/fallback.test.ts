/** Networks that let no WebSocket through, and servers that are merely away. */
import { describe, expect, it } from 'vitest';
import { type Memory, type TransportName, fallback } from '../src/fallback/index.js';
import { beside } from '../src/fallback/http.js';
import { Delimited } from '../src/fallback/messages.js';
import { settle } from './support/clock.js';
import { Gateway } from './support/gateway.js';
import { World } from './support/world.js';

class Kept implements Memory {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

/** What becomes of a WebSocket: it opens; is cut off at once; or nothing is ever heard of it. */
type Sockets = 'open' | 'blocked' | 'silent';

function world(order?: TransportName[], memory: Memory | null = new Kept()) {
  let gateway: Gateway;
  const w = new World(['a:X'], { transports: fallback(order, { fetch: (url, init) => gateway.fetch(url, init), memory }) });
  gateway = new Gateway(w.server);
  const net = { sockets: 'blocked' as Sockets };
  w.network.onDial = (socket) =>
    queueMicrotask(() => {
      if (net.sockets === 'open') w.server.accept(socket);
      else if (net.sockets === 'blocked') socket.end();
    });
  return { w, gateway, net };
}

/** Lets time pass until it holds. */
async function until(w: World, holds: () => boolean, stepMs = 100): Promise<void> {
  for (let n = 0; !holds(); n++) {
    if (n > 2000) throw new Error(`it is ${w.client.state} over ${w.client.transport}; ${w.errors.join('; ')}`);
    await w.clock.advance(stepMs);
    await settle();
  }
}

const live = (w: World, transport: TransportName) => until(w, () => w.client.state === 'live' && w.client.transport === transport);

/** Subscribes, and sees a price that is told afterwards. */
async function prices(w: World): Promise<void> {
  const store = w.client.quotes(['a:X'], { cadenceMs: 100 });
  await store.ready();
  for (const bid of [100, 101, 99]) {
    w.server.quote('a:X', bid);
    w.server.flush();
    await until(w, () => store.get('a:X')?.bid === bid);
  }
  expect(store.stats.transport).toBe(w.client.transport);
  store.close();
}

describe('a connection', () => {
  it('takes a WebSocket where there is one, and asks nothing over HTTP', async () => {
    const { w, gateway, net } = world();
    net.sockets = 'open';
    w.client.connect();
    await live(w, 'websocket');
    expect(w.states.at(-1)).toMatchObject({ state: 'live', transport: 'websocket' });
    await prices(w);
    expect(gateway.log).toEqual([]);
  });

  it('streams where WebSockets are blocked, after two attempts', async () => {
    const { w, gateway } = world();
    w.client.connect();
    await live(w, 'stream');
    expect(w.network.sockets).toHaveLength(2);
    expect(w.states.at(-1)).toMatchObject({ state: 'live', transport: 'stream' });
    await prices(w);
    expect(gateway.log[0]).toBe('stream');
    expect(gateway.log.slice(1, 3)).toEqual(['stream send=1', 'stream send=2']);
  });

  it('waits for a WebSocket that nothing is heard of no longer than six seconds', async () => {
    const { w, net } = world();
    net.sockets = 'silent';
    w.client.connect();
    const from = w.clock.now();
    await live(w, 'stream');
    expect(w.network.sockets).toHaveLength(1);
    expect(w.network.live).toEqual([]);
    expect(w.clock.now() - from).toBeLessThan(7000);
  });

  it.each(['down', 'held', 404] as const)('polls where answers that never end do not get through: %s', async (mode) => {
    const { w, gateway } = world();
    gateway.stream = mode;
    w.client.connect();
    await live(w, 'poll');
    await prices(w);
    expect(gateway.log.filter((l) => l === 'poll')).toHaveLength(1);
  });

  it('takes the transports that it is given, in their order', async () => {
    const { w, net } = world(['poll', 'websocket']);
    net.sockets = 'open';
    w.client.connect();
    await live(w, 'poll');
    expect(w.network.sockets).toEqual([]);
    expect(() => fallback(['carrier-pigeon' as TransportName])).toThrow(expect.objectContaining({ code: 'bad-option' }));
    expect(() => fallback([])).toThrow(expect.objectContaining({ code: 'bad-option' }));
    expect(() => fallback(['poll', 'poll'])).toThrow(expect.objectContaining({ code: 'bad-option' }));
  });

  it('tells of refusals as over a WebSocket', async () => {
    const { w, gateway } = world(['stream']);
    w.client.connect();
    await live(w, 'stream');
    gateway.close(4503, 'cut off');
    await until(w, () => w.client.state === 'closed');
    expect(w.states.at(-1)).toMatchObject({ code: 4503, reason: 'cut off' });
    const other = world(['stream']);
    other.gateway.stream = 401;
    other.w.client.connect();
    await until(other.w, () => other.w.client.state === 'closed');
    expect(other.w.states.at(-1)).toMatchObject({ code: 4510, reason: 'HTTP 401: not now' });
  });
});

describe('a stream', () => {
  it('says again what may not have arrived, under the same number', async () => {
    const { w, gateway } = world(['stream']);
    w.client.connect();
    await live(w, 'stream');
    gateway.losing = 2;
    await prices(w);
    await w.clock.advance(3000);
    expect(w.server.last.asked('subscribe')).toHaveLength(1);
    expect(new Set(gateway.log.filter((l, at) => gateway.log.indexOf(l) !== at)).size).toBeGreaterThan(0);
  });

  it('comes back when it is cut, and stays with what gets through', async () => {
    const { w, gateway } = world();
    w.client.connect();
    await live(w, 'stream');
    await w.clock.advance(10_000);
    const sockets = w.network.sockets.length;
    gateway.cut();
    await until(w, () => w.client.state === 'reconnecting');
    await live(w, 'stream');
    expect(w.network.sockets).toHaveLength(sockets);
    await prices(w);
  });

  it('is let go of with the client', async () => {
    const { w, gateway } = world(['stream']);
    w.client.connect();
    await live(w, 'stream');
    w.client.close();
    await settle();
    expect(gateway.connections[0]!.socket.live).toBe(false);
    expect(w.clock.waiting).toBe(0);
  });
});

describe('polls', () => {
  it('lose nothing when answers do not arrive', async () => {
    const { w, gateway } = world(['poll']);
    w.client.connect();
    await live(w, 'poll');
    const store = w.client.trades(['a:X'], { history: 0 });
    const seen: number[] = [];
    store.subscribe((events) => seen.push(...events.map((e) => (e.type === 'trade' ? e.trade.price : -1))));
    await store.ready();
    for (let price = 1; price <= 20; price++) {
      w.server.trade('a:X', price);
      w.server.flush();
      if (price % 4 === 0) gateway.losing = 1;
      await w.clock.advance(300);
    }
    await until(w, () => seen.at(-1) === 20);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  });

  it('begin no more often than four times a second', async () => {
    const { w, gateway } = world(['poll']);
    w.client.connect();
    await live(w, 'poll');
    await prices(w);
    await w.clock.advance(1000);
    w.client.quotes(['a:X'], { cadenceMs: 0 });
    await w.clock.advance(1000);
    const before = gateway.log.length;
    for (let n = 0; n < 200; n++) {
      w.server.quote('a:X', 200 + n);
      w.server.flush();
      await w.clock.advance(10);
    }
    expect(gateway.log.length - before).toBeLessThanOrEqual(10);
    w.client.close();
    await settle();
    expect(w.clock.waiting).toBe(0);
  });

  it('end with the last message', async () => {
    const { w, gateway } = world(['poll']);
    w.client.connect();
    await live(w, 'poll');
    gateway.close(4001, 'no progress');
    await until(w, () => w.client.state === 'reconnecting');
    expect(w.states.at(-1)).toMatchObject({ code: 4001, reason: 'no progress' });
  });
});

describe('a server that is away', () => {
  it('is no reason to keep a lesser way', async () => {
    const { w, gateway, net } = world();
    gateway.stream = gateway.poll = 'down';
    w.client.connect();
    await until(w, () => gateway.log.length >= 4);
    expect(w.states.map((e) => e.reason)).toContain('no answer: fetch failed'); // in words, for those who read it on a page
    net.sockets = 'open';
    gateway.stream = gateway.poll = 'up';
    await until(w, () => w.client.state === 'live');
    await live(w, 'websocket');
    await prices(w);
  });

  it('that was reached by a lesser way first is reached by a WebSocket within seconds', async () => {
    const { w, gateway, net } = world();
    gateway.stream = gateway.poll = 'down';
    w.client.connect();
    await until(w, () => gateway.log.length >= 4);
    gateway.stream = 'up';
    await live(w, 'stream');
    net.sockets = 'open';
    const from = w.clock.now();
    await live(w, 'websocket');
    expect(w.clock.now() - from).toBeLessThan(10_000);
  });

  it('restarts without anybody leaving WebSockets for good', async () => {
    const { w, gateway, net } = world();
    net.sockets = 'open';
    w.client.connect();
    await live(w, 'websocket');
    for (let n = 0; n < 5; n++) {
      gateway.stream = gateway.poll = 'down';
      net.sockets = 'blocked';
      w.network.last.end();
      await w.clock.advance(7000);
      gateway.stream = gateway.poll = 'up';
      net.sockets = 'open';
      await live(w, 'websocket');
      await w.clock.advance(10_000);
    }
  });
});

describe('up again', () => {
  it('goes a connection when a WebSocket gets through', async () => {
    const { w, net } = world();
    w.client.connect();
    await live(w, 'stream');
    const store = w.client.quotes(['a:X']);
    await store.ready();
    net.sockets = 'open';
    await live(w, 'websocket');
    const moved = w.states.find((e) => e.reason?.includes('gets through again'));
    expect(moved).toMatchObject({ state: 'reconnecting' });
    w.server.quote('a:X', 7);
    w.server.flush();
    await settle();
    expect(store.get('a:X')!.bid).toBe(7);
    expect(w.network.live).toHaveLength(1);
  });

  it('is looked for less and less often', async () => {
    const { w } = world();
    w.client.connect();
    await live(w, 'stream');
    await w.clock.advance(3_600_000);
    expect(w.client.transport).toBe('stream');
    // 1, 2, 4, 8, 16 and 30 minutes.
    expect(w.network.sockets.length - 2).toBeGreaterThan(4);
    expect(w.network.sockets.length - 2).toBeLessThan(8);
  });

  it('is given up at once where a WebSocket opens and brings nothing', async () => {
    const { w, net } = world();
    w.client.connect();
    await live(w, 'stream');
    w.network.onDial = (socket) => queueMicrotask(() => socket.open()); // and no word
    net.sockets = 'open';
    await until(w, () => w.client.state !== 'live');
    await live(w, 'stream');
  });
});

describe('what got through', () => {
  it('is where the next visit begins, for an hour', async () => {
    const memory = new Kept();
    const first = world(undefined, memory);
    first.w.client.connect();
    await live(first.w, 'stream');
    expect(JSON.parse(memory.items.get('feedd transport ws://feed/v1/ws')!)).toMatchObject({ name: 'stream' });
    const second = world(undefined, memory);
    await second.w.clock.advance(60_000);
    second.w.client.connect();
    await live(second.w, 'stream');
    expect(second.w.network.sockets).toEqual([]);
    const late = world(undefined, memory);
    await late.w.clock.advance(3_700_000);
    late.net.sockets = 'open';
    late.w.client.connect();
    await live(late.w, 'websocket');
    expect(memory.items.size).toBe(0);
  });

  it('is forgotten when it fails, and matters to nobody who may keep nothing', async () => {
    const memory = new Kept();
    const first = world(undefined, memory);
    first.w.client.connect();
    await live(first.w, 'stream');
    const second = world(undefined, memory);
    await second.w.clock.advance(60_000);
    second.gateway.stream = second.gateway.poll = 'down';
    second.net.sockets = 'open';
    second.w.client.connect();
    await live(second.w, 'websocket');
    const full = { getItem: () => 'nonsense', setItem: () => { throw new Error('full'); }, removeItem: () => { throw new Error('closed'); } };
    for (const kept of [null, full]) {
      const { w } = world(undefined, kept);
      w.client.connect();
      await live(w, 'stream');
    }
  });
});

describe('messages laid end to end', () => {
  it('come apart wherever the pieces end', () => {
    const bytes = Uint8Array.from([0, 2, 7, 8, 0x80, 0x01, ...new Array<number>(128).fill(9), 1, 5]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const d = new Delimited();
      const messages = [...d.push(bytes.subarray(0, cut)), ...d.push(bytes.subarray(cut))].map((m) => m.length);
      expect(messages).toEqual([0, 2, 128, 1]);
    }
  });

  it('are refused where no length is meant', () => {
    expect(() => new Delimited().push(new TextEncoder().encode('<html>\xff\xff\xff\xff\xff\xff\xff'.slice(6)))).toThrow('want messages');
    expect(() => new Delimited().push(Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0x0f]))).toThrow('want messages');
  });

  it('come from beside the WebSocket', () => {
    expect(beside('wss://h:8/a/v1/ws?x=1#y', 'stream')).toBe('https://h:8/a/v1/stream');
    expect(beside('ws://h/v1/ws', 'poll')).toBe('http://h/v1/poll');
  });
});
