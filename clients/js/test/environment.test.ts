import { afterEach, describe, expect, it, vi } from 'vitest';
import { pageEnvironment } from '../src/environment.js';
import { settle } from './support/clock.js';
import { World } from './support/world.js';

async function shownWorld(options = {}) {
  const w = new World(['a:X'], options);
  w.client.quotes(['a:X'], { cadenceMs: 100 });
  w.acceptAll();
  w.client.close();
  w.client.connect();
  await settle();
  return w;
}
const visibilities = (w: World) => w.server.last.asked('setRate').map((r) => r.visibility);

describe('a hidden page', () => {
  it('gets a slow cadence, and what it missed when it is shown', async () => {
    const w = await shownWorld();
    w.environment.hide(true);
    await settle();
    w.environment.hide(false);
    await settle();
    expect(visibilities(w)).toEqual([2, 1]);
  });

  it.each([
    ['pause', [3, 1]],
    ['same', []],
  ] as const)('with whenHidden %s', async (whenHidden, told) => {
    const w = await shownWorld({ whenHidden });
    w.environment.hide(true);
    await settle();
    w.environment.hide(false);
    await settle();
    expect(visibilities(w)).toEqual(told);
  });

  it('is hidden from the beginning, and on every connection', async () => {
    const w = new World(['a:X']);
    w.environment.hidden = true;
    w.acceptAll();
    w.client.quotes(['a:X']);
    await settle();
    expect(visibilities(w)).toEqual([2]);
    w.network.last.end();
    await w.clock.advance(1000);
    expect([w.server.sessions.length, visibilities(w)]).toEqual([2, [2]]);
  });

  it('stays paused when that is what the application wants, and is never shown for its sake', async () => {
    const w = await shownWorld();
    w.client.setVisibility('paused');
    await settle();
    w.environment.hide(true);
    await settle();
    w.environment.hide(false);
    await settle();
    expect(visibilities(w)).toEqual([3]);
    w.environment.hide(true);
    w.client.setVisibility('shown');
    await settle();
    expect(visibilities(w)).toEqual([3, 2]);
  });
});

describe('the network', () => {
  it('that goes makes the client ask for a sign of life, and soon doubt the connection', async () => {
    const w = await shownWorld();
    w.server.last.silent = true;
    w.environment.tell('offline');
    await w.clock.advance(1500);
    expect(w.client.state).toBe('stalled');
    await w.clock.advance(7000);
    expect(w.states.slice(-4).map((s) => s.state)).toEqual(['stalled', 'reconnecting', 'reconnecting', 'live']);
  });

  it('that goes in name only changes nothing', async () => {
    const w = await shownWorld();
    const states = w.states.length;
    w.environment.tell('offline');
    await w.clock.advance(20_000);
    expect(w.states.length).toBe(states);
  });

  it('that is back cuts a wait short', async () => {
    const w = new World(['a:X'], { random: () => 0.5 });
    w.client.connect();
    for (let i = 0; i < 8; i++) {
      w.network.last.end();
      if (i < 7) await w.clock.advance(10_000);
    }
    expect(w.states.at(-1)).toMatchObject({ state: 'reconnecting', retryInMs: 10_000 });
    const dialled = w.network.sockets.length;
    w.environment.tell('online');
    await w.clock.advance(499);
    expect(w.network.sockets.length).toBe(dialled);
    await w.clock.advance(1);
    expect(w.network.sockets.length).toBe(dialled + 1);
  });

  it('that is back does not cut the wait that a server asked for', async () => {
    const w = await shownWorld();
    w.server.last.send({ goaway: { reason: 'restart', reconnectMinMs: 20_000, reconnectMaxMs: 20_000 } });
    w.network.last.end(4000);
    w.environment.tell('online');
    w.environment.hide(false);
    await w.clock.advance(19_000);
    expect(w.server.sessions.length).toBe(1);
    await w.clock.advance(1000);
    expect(w.server.sessions.length).toBe(2);
  });
});

describe('a frozen page', () => {
  it('lets the connection go, and is back at once when it thaws', async () => {
    const w = await shownWorld();
    w.environment.tell('freeze');
    expect([w.client.state, w.network.live]).toEqual(['reconnecting', []]);
    expect(w.clock.waiting).toBe(0);
    await w.clock.advance(3600_000);
    expect(w.server.sessions.length).toBe(1);
    w.environment.tell('resume');
    await settle();
    expect([w.client.state, w.server.sessions.length]).toEqual(['live', 2]);
    expect(w.server.last.subscriptions.size).toBe(1);
    w.environment.tell('resume');
    w.environment.tell('freeze');
    w.client.close();
    w.environment.tell('resume');
    await settle();
    expect([w.client.state, w.server.sessions.length]).toEqual(['closed', 2]);
  });

  it('hears the network in vain', async () => {
    const w = await shownWorld();
    w.environment.tell('freeze');
    w.environment.tell('online');
    await w.clock.advance(60_000);
    expect(w.server.sessions.length).toBe(1);
  });
});

describe('listening', () => {
  it('begins with connect and ends with close, by its signal too', async () => {
    const abort = new AbortController();
    const w = new World([], { signal: abort.signal });
    expect(w.environment.listening).toBe(0);
    await w.up();
    expect(w.environment.listening).toBe(1);
    abort.abort();
    expect([w.client.state, w.environment.listening]).toEqual(['closed', 0]);
    w.client.connect();
    expect(w.client.state).toBe('closed');
  });
});

describe('a browser', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('is listened to by the events that it has', () => {
    const [page, window] = [new EventTarget(), new EventTarget()];
    vi.stubGlobal('document', Object.assign(page, { visibilityState: 'visible' }));
    vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
    const environment = pageEnvironment();
    const told: string[] = [];
    const stop = environment.listen((change) => told.push(change));
    expect(environment.hidden).toBe(false);
    Object.assign(page, { visibilityState: 'hidden' });
    expect(environment.hidden).toBe(true);
    for (const type of ['online', 'offline']) window.dispatchEvent(new Event(type));
    for (const type of ['visibilitychange', 'freeze', 'resume']) page.dispatchEvent(new Event(type));
    for (const type of ['pagehide', 'pageshow']) {
      window.dispatchEvent(new Event(type)); // for good, or the first time
      window.dispatchEvent(Object.assign(new Event(type), { persisted: true }));
    }
    expect(told).toEqual(['online', 'offline', 'visibility', 'freeze', 'resume', 'freeze', 'resume']);
    stop();
    window.dispatchEvent(new Event('online'));
    expect(told.length).toBe(7);
  });

  it('is not missed where there is none', () => {
    vi.stubGlobal('addEventListener', undefined);
    const environment = pageEnvironment();
    expect(environment.hidden).toBe(false);
    environment.listen(() => {})();
  });
});
