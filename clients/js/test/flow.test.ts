import { describe, expect, it } from 'vitest';
import { settle } from './support/clock.js';
import { World } from './support/world.js';

/** A quote that moves each second for a minute, and a client that follows it. Quiet: what the server cuts no more. */
async function flowing() {
  const w = new World(['a:X', 'a:Y']);
  w.client.quotes(['a:X', 'a:Y'], { cadenceMs: 100 });
  w.acceptAll();
  w.client.close();
  w.client.connect();
  await settle();
  const world = {
    w,
    async seconds(count: number, { moves = true, flushes = true } = {}) {
      for (let s = 0; s < count; s++) {
        await w.clock.advance(1000);
        if (moves) w.server.quote('a:X', 100 + s);
        if (flushes) await w.flush();
        else w.server.last.send({ heartbeat: {} });
      }
    },
    asked: () => w.server.sessions.flatMap((s) => s.asked('subscribe')).length,
  };
  await world.seconds(60);
  return world;
}

describe('rows that stop', () => {
  it('while the market moves end the connection, though it answers and has a heartbeat', async () => {
    const { w, seconds } = await flowing();
    await seconds(90, { flushes: false }); // not even what is asked for anew gets a row
    expect(w.errors).toEqual([expect.objectContaining({ code: 'stalled', retrying: true })]);
    await w.clock.advance(2000);
    expect([w.client.state, w.server.sessions.length]).toEqual(['live', 2]);
  });

  it('do so too where whatever is asked for comes, and nothing by itself', async () => {
    const { w, seconds, asked } = await flowing();
    for (let s = 0; s < 90 && w.errors.length === 0; s++) {
      const before = asked();
      await seconds(1, { flushes: false });
      if (asked() > before) await w.flush();
    }
    expect(w.errors).toEqual([expect.objectContaining({ code: 'stalled', retrying: true })]);
  });

  it('and a tick in the very moment of the question are not taken for the same', async () => {
    const { w, seconds, asked } = await flowing();
    await seconds(15, { moves: false });
    for (let s = 0; s < 30; s++) {
      const before = asked();
      await seconds(1, { moves: false, flushes: false });
      if (asked() === before) continue;
      w.server.quote('a:X', 7);
      await w.flush();
    }
    await seconds(3600, { moves: false });
    expect([w.errors, w.server.sessions.length]).toEqual([[], 1]);
  });

  it('because the market stands still are no reason for anything, and asked for less and less often', async () => {
    const { w, seconds, asked } = await flowing();
    const before = asked();
    await seconds(3600, { moves: false });
    expect([w.errors, w.client.state, w.server.sessions.length]).toEqual([[], 'live', 1]);
    expect(asked() - before).toBeGreaterThan(3);
    expect(asked() - before).toBeLessThan(12);
    await seconds(5);
    expect(w.errors).toEqual([]);
  });

  it('are not looked for where nothing was ever sent, or nothing is wanted', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X']);
    w.acceptAll();
    w.client.close();
    w.client.connect();
    await settle();
    await w.clock.advance(600_000);
    expect(w.server.last.asked('subscribe').length).toBe(1);
    w.server.quote('a:X', 1);
    await w.flush();
    w.client.setVisibility('paused');
    await w.clock.advance(600_000);
    expect(w.server.last.asked('subscribe').length).toBe(1);
    w.client.setVisibility('shown');
    store.close();
    await w.clock.advance(600_000);
    expect([w.server.last.asked('subscribe').length, w.errors]).toEqual([1, []]);
  });
});

describe('a server that answers nothing', () => {
  it('is lost, whatever its heartbeat says', async () => {
    const w = new World(['a:X']);
    await w.up();
    w.server.onRequest = () => true;
    for (let s = 0; s < 40 && w.client.state === 'live'; s++) {
      await w.clock.advance(1000);
      w.server.last.send({ heartbeat: {} });
    }
    expect(w.client.state).toBe('reconnecting');
    expect(w.errors).toEqual([expect.objectContaining({ code: 'transport', retrying: true })]);
  });
});
