/** The real server where clients have to say who they are. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { QuoteRow, StateEvent, SubscribeResult, TokenRequest } from '../../src/index.js';
import { RealServer, feedd, when } from './server.js';

let server: RealServer;
let dir: string;
const key = () => join(dir, 'dev.key');
const token = (may: string, time = '1h') => feedd('token', '--key', key(), '--user', 'ada', '--may', may, '--for', time);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'feedd-token-'));
  await token('*'); // makes the key
  server = await RealServer.start('--auth-dev-key', key());
});
afterEach(() => server.closeClients());
afterAll(async () => {
  await server.clean();
  await rm(dir, { recursive: true, force: true });
});

it('lets those in who say who they are, and tells what they may not have', async () => {
  const { feed, errors } = server.connect({ getToken: () => token('sim:* quote') });
  const quotes = feed.quotes(['sim:BTC-USD', 'test:FAKE']);
  const trades = feed.trades(['sim:BTC-USD']);
  await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), () => quotes.get('sim:BTC-USD') !== undefined);
  const results = new Map<string, SubscribeResult>([...(await quotes.ready()), ...[...(await trades.ready())].map(([s, r]) => [`trades ${s}`, r] as const)]);
  expect(results.get('sim:BTC-USD')).toMatchObject({ ok: true });
  expect(results.get('test:FAKE')!.ok).toBe(false);
  expect(results.get('trades sim:BTC-USD')).toMatchObject({ ok: false, code: 'not-entitled' });
  expect(errors).toEqual([]);
});

it('asks anew where a token is refused, and ends where there is no other', async () => {
  const asked: TokenRequest['reason'][] = [];
  const { feed, errors } = server.connect({
    getToken: ({ reason }) => {
      asked.push(reason);
      return reason === 'refused' ? token('*') : 'not a token';
    },
  });
  const live = when<StateEvent>((fn) => feed.on('state', fn), (e) => e.state === 'live');
  feed.connect();
  await live;
  expect(asked).toEqual(['connect', 'refused']);
  expect(errors.every((e) => e.retrying)).toBe(true);

  for (const getToken of [() => 'not a token', undefined, () => null]) {
    const refused = server.connect(getToken === undefined ? {} : { getToken });
    const closed = when<StateEvent>((fn) => refused.feed.on('state', fn), (e) => e.state === 'closed');
    refused.feed.connect();
    await closed;
    expect(refused.errors.at(-1)).toMatchObject({ code: 'unauthenticated', retrying: false });
  }
});

it('renews a token that is about to expire, on the same connection', async () => {
  const asked: TokenRequest['reason'][] = [];
  const { feed, errors } = server.connect({
    getToken: ({ reason }) => {
      asked.push(reason);
      return token('*', asked.length === 1 ? '20s' : '1h'); // the server warns a minute ahead, or at once
    },
  });
  const quotes = feed.quotes(['test:FAKE'], { cadenceMs: 0 });
  await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), () => asked.length === 2);
  const { session } = feed;
  const from = feed.serverNow();
  await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), () => feed.serverNow() - from > 25_000);
  expect([feed.session, asked, errors]).toEqual([session, ['connect', 'expiring'], []]);
});
