import { describe, expect, it, vi } from 'vitest';
import type { GetToken, TokenRequest } from '../src/index.js';
import { settle } from './support/clock.js';
import { World } from './support/world.js';

/** A client that is asked for tokens, and a server that takes some. */
function tokenWorld(getToken: GetToken, good = ['good']) {
  const asked: TokenRequest[] = [];
  const w = new World(['a:X'], {
    getToken: (request) => {
      asked.push(request);
      return getToken(request);
    },
  });
  w.server.tokens = new Set(good);
  w.acceptAll();
  return { w, asked, reasons: () => asked.map((r) => r.reason) };
}

describe('a token', () => {
  it('is asked for ahead of each connection, and said in the hello', async () => {
    let n = 0;
    const { w, reasons } = tokenWorld(async () => `t${++n}`, ['t1', 't2']);
    w.client.connect();
    expect([w.client.state, w.network.sockets.length]).toEqual(['connecting', 0]);
    await settle();
    expect(w.client.state).toBe('live');
    w.network.last.end();
    await w.clock.advance(1000);
    expect(w.client.state).toBe('live');
    expect(w.server.sessions.map((s) => s.asked('hello')[0]!.token)).toEqual(['t1', 't2']);
    expect(reasons()).toEqual(['connect', 'connect']);
    expect(w.errors).toEqual([]);
  });

  it('may be given without a promise', async () => {
    const { w } = tokenWorld(() => 'good');
    w.client.connect();
    await settle();
    expect(w.client.state).toBe('live');
  });

  it.each([
    ['throws', () => { throw new Error('offline'); }],
    ['rejects', () => Promise.reject(new Error('offline'))],
  ])('is asked for again, later and later, when getToken %s', async (_, getToken) => {
    const { w, asked } = tokenWorld(getToken);
    w.client.connect();
    await settle();
    expect(w.client.state).toBe('reconnecting');
    expect(w.errors[0]).toMatchObject({ code: 'token', retrying: true, text: expect.stringContaining('offline'), cause: new Error('offline') });
    await w.clock.advance(120_000);
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.length).toBeLessThan(25);
    expect(w.network.sockets).toEqual([]);
    w.client.close();
    expect(w.clock.waiting).toBe(0);
  });

  it('that does not come in 20 s is given up, and what comes later is not heard', async () => {
    let late!: (token: string) => void;
    const { w, asked } = tokenWorld(() => new Promise((resolve) => (late = resolve)));
    w.client.connect();
    await w.clock.advance(19_999);
    expect(w.client.state).toBe('connecting');
    await w.clock.advance(1);
    expect([w.client.state, asked[0]!.signal.aborted]).toEqual(['reconnecting', true]);
    late('good');
    await settle();
    expect(w.network.sockets).toEqual([]);
  });

  it.each([null, ''])('%j means that nobody is signed in: the client closes, and says so', async (none) => {
    let token: string | null = none;
    const { w } = tokenWorld(() => token);
    w.client.connect();
    await settle();
    expect(w.client.state).toBe('closed');
    expect(w.errors).toEqual([expect.objectContaining({ code: 'unauthenticated', retrying: false, advice: expect.stringContaining('sign in') })]);
    expect([w.clock.waiting, w.environment.listening]).toEqual([0, 0]);
    token = 'good';
    w.client.connect();
    await settle();
    expect(w.client.state).toBe('live');
  });

  it('that is refused is replaced once, and the end is told when the other is refused too', async () => {
    const { w, reasons } = tokenWorld(({ reason }) => (reason === 'refused' ? 'good' : 'stale'));
    w.client.connect();
    await settle();
    await w.clock.advance(1000);
    expect([w.client.state, reasons()]).toEqual(['live', ['connect', 'refused']]);
    expect(w.errors).toEqual([expect.objectContaining({ code: 'unauthenticated', retrying: true })]);
    expect(w.errors.filter((e) => !e.retrying)).toEqual([]);

    const both = tokenWorld(() => 'stale');
    both.w.client.connect();
    await settle();
    await both.w.clock.advance(60_000);
    expect([both.w.client.state, both.reasons()]).toEqual(['closed', ['connect', 'refused']]);
    expect(both.w.errors.at(-1)).toMatchObject({ code: 'unauthenticated', retrying: false, text: expect.stringContaining('4510') });
  });

  it('that is refused is the end where there is no getToken', async () => {
    const w = new World();
    w.server.tokens = new Set(['good']);
    await w.up();
    expect(w.client.state).toBe('closed');
    expect(w.errors.at(-1)).toMatchObject({ code: 'unauthenticated', retrying: false });
  });

  it('is renewed in place when the server says that it expires', async () => {
    let n = 0;
    const { w, reasons } = tokenWorld(() => `t${++n}`, ['t1', 't2']);
    w.client.connect();
    await settle();
    const session = w.server.last;
    session.send({ tokenExpiring: { expiresUs: BigInt(w.server.nowUs + 60_000_000) } });
    await settle();
    expect(session.asked('refreshToken').map((r) => r.token)).toEqual(['t2']);
    expect(reasons()).toEqual(['connect', 'expiring']);
    expect([w.client.state, w.network.sockets.length]).toEqual(['live', 1]);
  });

  it('is renewed at once when the machine slept through the warning', async () => {
    let n = 0;
    const { w, reasons } = tokenWorld(() => `t${++n}`, ['t1', 't2']);
    w.server.tokenSeconds = 3600;
    w.client.connect();
    await settle();
    await w.clock.sleep(600_000);
    await w.clock.advance(3000);
    expect([w.client.state, reasons()]).toEqual(['live', ['connect']]);
    await w.clock.sleep(2_960_000);
    await settle();
    expect(reasons()).toEqual(['connect', 'expiring']);
    expect(w.server.last.asked('refreshToken').map((r) => r.token)).toEqual(['t2']);
    // The answer says when the next one is due.
    await w.clock.sleep(600_000);
    await settle();
    expect(reasons()).toEqual(['connect', 'expiring']);
  });

  it('that cannot be renewed is tried for again, and the connection that ends for it comes back with another', async () => {
    let fail = false;
    const { w, reasons } = tokenWorld(() => (fail ? Promise.reject(new Error('offline')) : 'good'));
    w.client.connect();
    await settle();
    fail = true;
    w.server.last.send({ tokenExpiring: { expiresUs: BigInt(w.server.nowUs + 60_000_000) } });
    for (let s = 0; s < 30; s++) {
      await w.clock.advance(1000);
      w.server.last.send({ heartbeat: {} });
    }
    expect(reasons().filter((r) => r === 'expiring').length).toBeGreaterThan(3);
    expect([w.client.state, w.errors[0]!.code]).toEqual(['live', 'token']);
    fail = false;
    w.network.last.end(4010, 'token expired');
    await w.clock.advance(2000);
    expect(w.client.state).toBe('live');
    expect(reasons().at(-1)).toBe('connect');
    w.client.close();
    expect(w.clock.waiting).toBe(0);
  });

  it('is not waited for by a client that was closed', async () => {
    const getToken = vi.fn<GetToken>(() => new Promise(() => {}));
    const { w, asked } = tokenWorld(getToken);
    w.client.connect();
    w.client.close();
    expect([w.client.state, asked[0]!.signal.aborted, w.clock.waiting]).toEqual(['closed', true, 0]);
    w.client.connect();
    w.client.reconnectNow(); // it is asking already
    expect(getToken).toHaveBeenCalledTimes(2);
  });
});
