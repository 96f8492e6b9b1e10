/** The hooks in React 18 and 19, under StrictMode, each bundled as an application would. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { JSDOM } from 'jsdom';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Quality } from './gen/feed/v1/feed_pb.js';
import { settle } from './support/clock.js';
import type * as Stories from './support/stories.js';
import { World } from './support/world.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Frames that come when the test says so. */
class FakeFrames {
  due: Array<() => void> = [];

  run(): void {
    for (const fn of this.due.splice(0)) fn();
  }
}

/** Longer than hooks keep what nobody shows. */
const unused = () => new Promise((resolve) => setTimeout(resolve, 20));

describe.each([
  { version: '18', root: here('../../../tools/react18/') },
  { version: '19', root: here('../') },
])('in React $version', ({ version, root }) => {
  let dir: string;
  let stories: typeof Stories;
  let frames: FakeFrames;
  let element: HTMLElement;

  beforeAll(async () => {
    // esbuild cannot run where the page's globals stand in for Node's, so only what React needs is there.
    const { window } = new JSDOM('<!doctype html><body>');
    for (const name of ['window', 'document', 'navigator', 'HTMLIFrameElement'] as const) vi.stubGlobal(name, name === 'window' ? window : window[name]);
    dir = await mkdtemp(join(tmpdir(), 'feedd-react-'));
    const outfile = join(dir, 'stories.mjs');
    await build({
      entryPoints: [here('support/stories.ts')], outfile, bundle: true, format: 'esm', target: 'es2022', platform: 'browser', logLevel: 'warning',
      define: { 'process.env.NODE_ENV': '"development"' }, // StrictMode mounts twice there alone
      plugins: [{
        name: 'react of this version',
        setup: (b) => b.onResolve({ filter: /^react(-dom)?(\/|$)/ }, (args) =>
          args.pluginData === root ? undefined : b.resolve(args.path, { resolveDir: root, kind: args.kind, pluginData: root })),
      }],
    });
    stories = (await import(/* @vite-ignore */ outfile)) as typeof Stories;
  });
  afterAll(async () => {
    vi.unstubAllGlobals();
    await rm(dir, { recursive: true });
  });

  beforeEach(() => {
    frames = new FakeFrames();
    vi.stubGlobal('requestAnimationFrame', (fn: () => void) => frames.due.push(fn));
    element = document.createElement('div');
    document.body.replaceChildren(element);
    Object.assign(stories.renders, { price: 0, spread: 0, tape: 0, book: 0 });
  });

  const shown = (id: string) => element.querySelector(`[id="${id}"]`)?.textContent;

  /** Frames, and what React does of its own accord behind them. */
  async function frame(): Promise<void> {
    frames.run();
    await vi.waitFor(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it('is that version', async () => {
    const { version: found } = (await import(/* @vite-ignore */ join(version === '18' ? root : here('../../../'), 'node_modules/react/package.json'), { with: { type: 'json' } })).default as { version: string };
    expect(found.split('.')[0]).toBe(version);
  });

  it('shows what comes, with one render a frame and one socket', async () => {
    const w = new World(['a:X', 'a:Y']);
    const page = stories.mount(element, { client: w.client }, { symbols: ['a:X', 'a:Y', 'a:X'] });
    const session = await w.accept();
    expect(shown('price-a:X')).toBe('none');
    for (let price = 100; price < 110; price++) {
      w.server.quote('a:X', price);
      w.server.quote('a:Y', price * 2);
      await w.flush();
    }
    const before = stories.renders.price;
    await frame();
    expect(shown('price-a:X')).toBe('1.09');
    expect(shown('price-a:Y')).toBe('2.18');
    expect(stories.renders.price - before).toBe(3 * 2); // StrictMode renders twice
    expect(session.asked('subscribe').flatMap((s) => s.symbols).sort()).toEqual(['a:X', 'a:Y']);
    expect(w.network.sockets.length).toBe(1);

    page.show({ symbols: ['a:Y'] });
    await unused();
    await w.flush();
    expect(session.asked('unsubscribe').flatMap((u) => u.handles)).toHaveLength(1);
    page.unmount();
    await unused();
    expect(w.client.state).toBe('live'); // it is the caller's
  });

  it('opens one socket of its own, and closes it with the provider', async () => {
    const w = new World(['a:X']);
    const page = stories.mount(element, { options: { url: 'ws://feed/v1/ws', WebSocket: w.network.WebSocket, clock: w.clock, environment: w.environment } }, { symbols: ['a:X'] });
    await settle();
    await w.accept();
    await unused();
    expect(w.network.sockets.length).toBe(1);
    expect(shown('state')).toBe('live');
    page.unmount();
    await unused();
    expect(w.network.live).toEqual([]);
  });

  it('renders a selection only when it differs', async () => {
    const w = new World(['a:X']);
    stories.mount(element, { client: w.client }, { symbols: ['a:X'], spread: true });
    await w.accept();
    w.server.quote('a:X', 100);
    await w.flush();
    await frame();
    expect(shown('spread')).toBe('1');
    const { spread, price } = stories.renders;
    w.server.quote('a:X', 200); // one step wide as before
    await w.flush();
    await frame();
    expect(shown('price-a:X')).toBe('2.00');
    expect(stories.renders.spread).toBe(spread);
    expect(stories.renders.price).toBeGreaterThan(price);
  });

  it('shows whether all of it may be believed', async () => {
    const w = new World(['a:X', 'b:Y']);
    const page = stories.mount(element, { client: w.client }, { symbols: ['a:X', 'b:Y'] });
    const session = await w.accept();
    await w.clock.advance(1000);
    await frame();
    expect(shown('health')).toBe('live 0/2');
    session.send({ sourceStatuses: [{ source: 'a', quality: Quality.SUSPECT, stream: 1, reason: 'silent' }] });
    await settle();
    await frame();
    expect([shown('state'), shown('health')]).toEqual(['live', 'suspect 1/2']);
    page.unmount();
    await unused();
  });

  it('renders on a server, where nothing is opened', () => {
    const w = new World();
    const html = stories.server({ url: 'ws://feed/v1/ws', WebSocket: w.network.WebSocket }, { symbols: ['a:X'], tape: true, book: true });
    expect(html).toContain('none');
    expect(html).toContain('idle');
    expect(w.network.sockets.length).toBe(0);
  });
});
