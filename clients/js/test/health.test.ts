/** The one state that a page shows at its top: the worst of the connection and of all that is subscribed. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Health, watchHealth } from '../src/index.js';
import { Host, type Port } from '../src/worker/host.js';
import { TabClient, type TabPort } from '../src/worker/tab.js';
import { Quality } from './gen/feed/v1/feed_pb.js';
import { FakeClock, settle } from './support/clock.js';
import { Network } from './support/network.js';
import type { Session } from './support/protocol.js';
import { Server } from './support/server.js';
import { World } from './support/world.js';

const said = (told: readonly Health[]) => told.map((h) => `${h.state} ${h.affected}/${h.instruments}${h.reason && ` ${h.reason}`}`);

function source(session: Session, name: string, quality: Quality, reason = ''): void {
  session.send({ sourceStatuses: [{ source: name, quality, stream: 1, reason }] });
}

function own(w: World, symbol: string, quality: Quality, reason = ''): void {
  w.server.last.send({ statuses: [{ handle: w.server.handle(w.server.markets.get(symbol)!, 'status'), stream: 1, quality, trading: 1, reason }] });
}

/** A client that watches three instruments of two sources. */
async function open() {
  const w = new World(['a:X', 'a:Y', 'b:Z']);
  const told: Health[] = [];
  const stop = watchHealth(w.client, (health) => told.push(health));
  const store = w.client.quotes(['a:X', 'a:Y', 'b:Z']);
  const session = await w.accept();
  return { w, told, stop, store, session };
}

describe('health', () => {
  it('is that of the connection until that is live', async () => {
    const { w, told, session } = await open();
    expect(said(told)).toEqual(['idle 0/0', 'connecting 0/0', 'live 0/0', 'live 0/3']);
    session.silent = true;
    await w.clock.advance(30_000);
    expect(said(told).slice(4, 6)).toEqual(['stalled 0/3', expect.stringMatching('^reconnecting 0/3')]);
  });

  it('is suspect while a source is, with its words, how many it concerns and since when', async () => {
    const { w, told, session } = await open();
    await w.clock.advance(1234);
    source(session, 'a', Quality.SUSPECT, 'feedd lost its NATS server');
    await settle();
    const at = w.clock.now();
    expect(told.at(-1)).toEqual({ state: 'suspect', sinceMs: at, reason: 'feedd lost its NATS server', affected: 2, instruments: 3 });
    await w.clock.advance(500);
    source(session, 'b', Quality.SUSPECT, 'feedd lost its NATS server');
    await settle();
    expect(told.at(-1)).toMatchObject({ sinceMs: at, affected: 3 }); // suspect since the first
    source(session, 'a', Quality.OK);
    source(session, 'b', Quality.OK);
    await settle();
    expect(told.at(-1)).toEqual({ state: 'live', sinceMs: w.clock.now(), reason: '', affected: 0, instruments: 3 });
  });

  it('takes what is suspect for worse than what is syncing, and tells what turns together once', async () => {
    const { w, told } = await open();
    told.length = 0;
    own(w, 'a:X', Quality.SYNCING, 'being read');
    own(w, 'a:Y', Quality.SUSPECT, 'trades are missing');
    await settle();
    own(w, 'a:Y', Quality.OK);
    await settle();
    expect(said(told)).toEqual(['suspect 1/3 trades are missing', 'syncing 1/3 being read']);
  });

  it('leaves a hole in a book to the book', async () => {
    const { w, told } = await open();
    told.length = 0;
    own(w, 'a:X', Quality.SUSPECT, 'book: best bid at or above best ask');
    own(w, 'a:Y', Quality.SYNCING, 'book: changes are missing');
    await settle();
    expect(told).toEqual([]);
  });

  it('shows the connection while that is away, and what is said anew when it is back', async () => {
    const { w, told, session } = await open();
    source(session, 'a', Quality.SUSPECT, 'silent');
    await settle();
    told.length = 0;
    w.acceptAll();
    w.network.last.end(1006, 'gone');
    w.client.reconnectNow();
    await settle();
    await w.clock.advance(2000);
    expect(told.some((h) => h.state === 'reconnecting' && h.affected === 0)).toBe(true);
    expect(said(told).at(-1)).toBe('live 0/3');
  });

  it('says what is so at once, whenever it is asked, and nothing once it is stopped', async () => {
    const { w, stop, store, session, told } = await open();
    source(session, 'b', Quality.SUSPECT, 'silent');
    await settle();
    const late: Health[] = [];
    const abort = new AbortController();
    watchHealth(w.client, (health) => late.push(health), { signal: abort.signal });
    expect(said(late)).toEqual(['suspect 1/3 silent']);
    const count = told.length;
    stop();
    store.close();
    await settle();
    await w.clock.advance(1500);
    expect(told.length).toBe(count);
    expect(said(late).at(-1)).toBe('live 0/0'); // nobody tells of instruments that are let go
    abort.abort();
    w.client.close();
    await settle();
    expect(said(late).at(-1)).toBe('live 0/0');
    expect(w.clock.waiting).toBe(0);
  });

  it('goes on when the function throws, and tells that', async () => {
    const w = new World(['a:X']);
    const states: string[] = [];
    watchHealth(w.client, ({ state }) => {
      states.push(state);
      throw new Error('mine');
    });
    w.client.quotes(['a:X']);
    await w.accept();
    expect(new Set(states)).toEqual(new Set(['idle', 'connecting', 'live']));
    expect(w.errors.length).toBe(states.length);
    expect(w.errors[0]).toMatchObject({ code: 'callback' });
  });
});

describe('health in a tab that shares a connection', () => {
  const tabs: TabClient[] = [];
  afterEach(() => {
    for (const tab of tabs.splice(0)) tab.close();
  });

  it('is of what the tab shows, also where it came later', async () => {
    const clock = new FakeClock();
    const network = new Network();
    const server = new Server(clock, ['a:X', 'b:Z']);
    network.onDial = (socket) => queueMicrotask(() => server.accept(socket));
    const host = new Host({ WebSocket: network.WebSocket, clock, random: () => 0.5 });
    const join = (symbol: string) => {
      const tab = new TabClient({ url: 'ws://feed/v1/ws', clock }, () => {
        const { port1, port2 } = new MessageChannel();
        host.attach(port2 as unknown as Port);
        return port1 as unknown as TabPort;
      });
      tabs.push(tab);
      const told: Health[] = [];
      watchHealth(tab, (health) => told.push(health));
      tab.quotes([symbol]);
      return told;
    };
    const one = join('a:X');
    const two = join('b:Z');
    await vi.waitFor(() => expect([one.at(-1), two.at(-1)]).toMatchObject([{ state: 'live' }, { state: 'live' }]));
    server.quote('a:X', 1);
    server.quote('b:Z', 1);
    server.flush();
    source(server.last, 'a', Quality.SUSPECT, 'silent');
    await vi.waitFor(() => expect(said(one).at(-1)).toBe('suspect 1/1 silent'));
    const late = join('a:X');
    await vi.waitFor(async () => {
      server.flush();
      await clock.advance(1000);
        expect(said(late).at(-1)).toBe('suspect 1/1 silent');
    });
    expect(two.at(-1)!.state).toBe('live');
  });
});
