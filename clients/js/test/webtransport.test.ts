/** WebTransport: learned of, moved to, left where it does not get through. */
import { describe, expect, it } from 'vitest';
import { type Memory, type TransportName, fallback } from '../src/fallback/index.js';
import { type WebTransportOptions, webtransport } from '../src/webtransport/index.js';
import { settle } from './support/clock.js';
import { Gateway } from './support/gateway.js';
import { Sessions } from './support/sessions.js';
import { World } from './support/world.js';

const HASH = 'ab'.repeat(32);

class Kept implements Memory {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

function world({ sockets = true, memory = new Kept(), ...options }: WebTransportOptions & { sockets?: boolean; memory?: Kept } = {}) {
  let gateway!: Gateway;
  let sessions!: Sessions;
  const WebTransport = class {
    constructor(url: string, o: never) {
      return new sessions.WebTransport(url, o);
    }
  } as never;
  const transports = fallback([webtransport({ WebTransport, ...options }), 'websocket', 'stream', 'poll'], { fetch: (url, init) => gateway.fetch(url, init), memory });
  const w = new World(['a:X'], { transports });
  w.server.webtransport = { port: 8443, certificateSha256: [new Uint8Array(32).fill(0xab)] };
  gateway = new Gateway(w.server);
  sessions = new Sessions(w.server);
  const net = { sockets };
  w.network.onDial = (socket) => queueMicrotask(() => (net.sockets ? w.server.accept(socket) : socket.end()));
  return { w, gateway, sessions, net };
}

async function until(w: World, holds: () => boolean): Promise<void> {
  for (let n = 0; !holds(); n++) {
    if (n > 2000) throw new Error(`it is ${w.client.state} over ${w.client.transport}; ${w.errors.join('; ')}`);
    await w.clock.advance(100);
    await w.flush();
  }
}

const live = (w: World, transport: TransportName) => until(w, () => w.client.state === 'live' && w.client.transport === transport);

async function price(w: World, bid: number): Promise<void> {
  const store = w.client.quotes(['a:X'], { cadenceMs: 100 });
  await store.ready();
  w.server.quote('a:X', bid);
  w.server.flush();
  await until(w, () => store.get('a:X')?.bid === bid);
  store.close();
}

describe('a client', () => {
  it('begins with a WebSocket, learns of WebTransport, and moves there', async () => {
    const { w, sessions } = world();
    w.client.connect();
    await live(w, 'websocket');
    const { session } = w.client;
    await price(w, 7);
    await live(w, 'webtransport');
    expect(w.client.session).not.toBe(session);
    expect(sessions.dialled[0]).toEqual({ url: 'https://feed:8443/v1/webtransport', hashes: [new Uint8Array(32).fill(0xab)] });
    expect(w.states.map((e) => [e.state, e.transport ?? e.reason])).toEqual([
      ['connecting', undefined], ['live', 'websocket'], ['reconnecting', 'WebTransport gets through'], ['reconnecting', undefined], ['live', 'webtransport'],
    ]);
    await price(w, 8);
    expect([sessions.live.length, w.network.live.length, w.errors]).toEqual([1, 0, []]);
  });

  it('begins with WebTransport at an address that it was given', async () => {
    const { w, sessions } = world({ url: 'https://edge/v1/webtransport', certificateHashes: [HASH.replace(/..(?!$)/g, '$&:')] });
    w.client.connect();
    await live(w, 'webtransport');
    expect(sessions.dialled).toEqual([{ url: 'https://edge/v1/webtransport', hashes: [new Uint8Array(32).fill(0xab)] }]);
    expect(w.network.sockets).toEqual([]);
    await price(w, 9);
  });

  it('stays where it is when the server says nothing of WebTransport, or the browser has none', async () => {
    const { w, sessions } = world();
    w.server.webtransport = undefined;
    w.client.connect();
    await live(w, 'websocket');
    await w.clock.advance(600_000);
    expect([w.client.transport, sessions.dialled]).toEqual(['websocket', []]);
    const none = world({ WebTransport: undefined as never });
    none.w.client.connect();
    await live(none.w, 'websocket');
    await none.w.clock.advance(600_000);
    expect(none.w.client.transport).toBe('websocket');
  });

  it.each(['refused', 'silent', 'mute'] as const)('is on a WebSocket within seconds where sessions are %s', async (udp) => {
    const { w, sessions } = world({ url: 'https://edge/v1/webtransport' });
    sessions.udp = udp;
    w.client.connect();
    const from = w.clock.now();
    await live(w, 'websocket');
    expect(w.clock.now() - from).toBeLessThan(8000);
    expect(sessions.live).toEqual([]);
    await price(w, 11);
  });

  it('looks less and less often, and keeps its WebSocket meanwhile', async () => {
    const { w, sessions } = world();
    sessions.udp = 'silent';
    w.client.connect();
    await live(w, 'websocket');
    await w.clock.advance(3_600_000);
    await settle();
    expect(w.states.filter((e) => e.state === 'live')).toHaveLength(1);
    // 2 s, then 1, 2, 4, 8, 16 and 30 minutes.
    expect(sessions.dialled.length).toBeGreaterThan(4);
    expect(sessions.dialled.length).toBeLessThan(9);
    expect(sessions.live).toEqual([]);
  });

  it('goes by HTTP where neither gets through, and up to whichever does', async () => {
    const { w, sessions, net } = world({ sockets: false });
    sessions.udp = 'refused';
    w.client.connect();
    await live(w, 'stream');
    await w.clock.advance(10_000);
    sessions.udp = 'open';
    await live(w, 'webtransport');
    sessions.udp = 'refused';
    net.sockets = true;
    sessions.live[0]!.cut();
    await live(w, 'websocket');
    await price(w, 12);
  });
});

describe('a session', () => {
  it.each([[true, 'its last message'], [false, 'the session']])('tells why it ends: by %s', async (lastMessage) => {
    const { w, sessions } = world({ url: 'https://edge/v1/webtransport' });
    w.client.connect();
    await live(w, 'webtransport');
    sessions.live[0]!.end(4503, 'cut off', lastMessage);
    await until(w, () => w.client.state === 'closed');
    expect(w.states.at(-1)).toMatchObject({ code: 4503, reason: 'cut off' });
  });

  it('goes on over a WebSocket where trades stopped, and the other way round', async () => {
    const { w, sessions } = world();
    w.client.connect();
    const store = w.client.trades(['a:X'], { history: 0 });
    const seen: number[] = [];
    store.subscribe((events) => seen.push(...events.map((e) => (e.type === 'trade' ? e.trade.price : -1))));
    await live(w, 'webtransport');
    const trade = (n: number) => {
      w.server.trade('a:X', n);
      w.server.flush();
    };
    for (let n = 1; n <= 5; n++) trade(n);
    await until(w, () => seen.at(-1) === 5);
    sessions.udp = 'silent';
    sessions.live[0]!.cut();
    for (let n = 6; n <= 8; n++) trade(n); // while nobody is connected
    await live(w, 'websocket');
    await until(w, () => seen.at(-1) === 8);
    expect(w.server.last.asked('subscribe')).not.toEqual([]);
    sessions.udp = 'open';
    await until(w, () => w.client.transport === undefined); // about to move
    for (let n = 9; n <= 11; n++) trade(n);
    await live(w, 'webtransport');
    await until(w, () => seen.at(-1) === 11);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('is let go of with the client', async () => {
    const { w, sessions } = world();
    w.client.connect();
    await live(w, 'webtransport');
    w.client.close();
    await settle();
    expect([sessions.live, w.clock.waiting]).toEqual([[], 0]);
  });
});

describe('between visits', () => {
  it('what got through is kept with its address, until it fails', async () => {
    const memory = new Kept();
    const first = world({ memory });
    first.w.client.connect();
    await live(first.w, 'webtransport');
    expect(JSON.parse(memory.items.get('feedd transport ws://feed/v1/ws')!)).toMatchObject({
      name: 'webtransport', kept: { url: 'https://feed:8443/v1/webtransport', hashes: [HASH] },
    });
    const second = world({ memory });
    await second.w.clock.advance(60_000);
    second.w.client.connect();
    await live(second.w, 'webtransport');
    expect(second.w.network.sockets).toEqual([]);
    const third = world({ memory });
    third.sessions.udp = 'refused';
    await third.w.clock.advance(120_000);
    third.w.client.connect();
    await live(third.w, 'websocket');
    expect(third.sessions.dialled).toHaveLength(1);
  });

  it('a server that restarts with another certificate is found by a WebSocket, and moved to again', async () => {
    const { w, sessions } = world();
    w.client.connect();
    await live(w, 'webtransport');
    await w.clock.advance(10_000);
    w.server.webtransport = { port: 9443, certificateSha256: [new Uint8Array(32).fill(0xcd)] };
    sessions.udp = 'refused';
    sessions.live[0]!.cut();
    await live(w, 'websocket');
    sessions.udp = 'open';
    await live(w, 'webtransport');
    expect(sessions.dialled.at(-1)).toEqual({ url: 'https://feed:9443/v1/webtransport', hashes: [new Uint8Array(32).fill(0xcd)] });
  });
});

it('is refused where it is not meant', () => {
  expect(() => webtransport({ url: 'feed' })).toThrow(expect.objectContaining({ code: 'bad-option' }));
  expect(() => webtransport({ url: 'https://feed/', certificateHashes: ['abc'] })).toThrow(expect.objectContaining({ code: 'bad-option' }));
  expect(() => fallback(['webtransport'])).toThrow('webtransport() of');
  const { transports } = { transports: fallback([webtransport({ url: 'https://feed/x' }), 'websocket']) };
  expect([transports.order, transports.webtransport]).toEqual([['webtransport', 'websocket'], { url: 'https://feed/x' }]);
});
