// Hours of a busy market in seconds: what the page holds is bounded.
import type { CDPSession } from "playwright-core";
import { expect, test } from "vitest";
import { waitForFeed } from "./browser.ts";
import type { FakeFeed } from "./fixture/fake-client.ts";
import { page, served } from "./fixture/stage.ts";

const SYMBOLS = 100;

/** Heap in bytes after a collection, and nodes and listeners of the page. */
async function held(cdp: CDPSession): Promise<{ heap: number; nodes: number; listeners: number }> {
  await cdp.send("HeapProfiler.collectGarbage");
  await cdp.send("HeapProfiler.collectGarbage");
  const { metrics } = await cdp.send("Performance.getMetrics");
  const value = (name: string) => metrics.find((m) => m.name === name)!.value;
  return { heap: value("JSHeapUsedSize"), nodes: value("Nodes"), listeners: value("JSEventListeners") };
}

test("an hour of a hundred moving rows leaves no more behind than the time before it", async () => {
  await page.addInitScript((symbols) => {
    let feed: FakeFeed | undefined;
    Object.defineProperty(window, "fakeFeed", {
      get: () => feed,
      set: (made: FakeFeed) => {
        feed = made;
        for (let i = 0; i < symbols; i++) made.define(`many:S${String(i).padStart(3, "0")}`, 2, 3, `Instrument ${i}`, "many");
      },
    });
    // The page's clock is set forward, so that what is kept by time is let go by time.
    const now = Date.now;
    Object.assign(window, { aheadMs: 0 });
    Date.now = () => now() + (window as unknown as { aheadMs: number }).aheadMs;
  }, SYMBOLS);
  await page.goto(`${served.url}?symbols=many:*&rate=100`);
  await waitForFeed(page, "live");
  await page.waitForFunction((symbols) => window.feeddDashboard.snapshot().rows.length === symbols, SYMBOLS);

  /** Lets so many minutes pass: each row has a quote every three seconds and a trade every ten, bars close, trades are missed, books change. */
  const pass = (minutes: number, from: number) => page.evaluate(async ([minutes, from, symbols]) => {
    const feed = window.fakeFeed;
    const names = Array.from({ length: symbols }, (_, i) => `many:S${String(i).padStart(3, "0")}`);
    const clock = window as unknown as { aheadMs: number };
    for (let s = from * 60; s < (from + minutes) * 60; s++) {
      clock.aheadMs += 1000;
      const price = 10_000 + (s % 997);
      names.forEach((name, i) => {
        if ((s + i) % 3 === 0) feed.quote(name, { bid: price + i, bidSize: s % 77, ask: price + i + 3, askSize: s % 55 });
        if ((s + i) % 10 === 0) feed.trade(name, price + i, 1 + (s % 9), s % 2 === 0 ? "buy" : "sell");
        if (s % 60 === i % 60) feed.bar(name, 60, 1_767_225_600 + s - (s % 60), { open: price, high: price + 9, low: price - 9, close: price + i });
      });
      feed.bar(names[0]!, 1, 1_767_225_600 + s, { open: price, high: price + 4, low: price - 4, close: price + 1, volume: s % 99 });
      feed.book(names[0]!, [[price, 5], [price - 1, s % 50]], [[price + 3, 7], [price + 4, s % 40]]);
      if (s % 45 === 0) feed.missed(names[0]!, "lost", s, s + 3);
      if (s % 30 === 0) feed.emit("error", Object.assign(new Error(`trouble ${s}`), { code: "protocol" }) as never);
      if (s % 60 === 0) await new Promise((done) => requestAnimationFrame(done));
    }
  }, [minutes, from, SYMBOLS] as const);

  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  await pass(40, 0); // rings fill
  const before = await held(cdp);
  await pass(60, 40);
  const after = await held(cdp);
  expect(after.heap - before.heap, `heap ${before.heap} → ${after.heap}`).toBeLessThan(1_000_000);
  expect(after.nodes - before.nodes).toBeLessThan(300);
  expect(after.listeners - before.listeners).toBeLessThan(20);
}, 120_000);

test("switching between pages of instruments leaves nothing of the page before", async () => {
  await page.goto(served.url);
  await waitForFeed(page, "live");
  await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.length === 5);
  await page.getByRole("button", { name: "New page" }).click();
  await page.keyboard.press("Escape");
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  const through = async (times: number) => {
    for (let i = 0; i < times; i++) {
      await page.keyboard.press("1");
      await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.length === 5);
      await page.keyboard.press("2");
      await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.length === 0);
    }
  };
  await through(5);
  const before = await held(cdp);
  await through(20);
  const after = await held(cdp);
  expect(await page.evaluate(() => window.fakeFeed.stores.size)).toBe(0);
  expect(after.nodes - before.nodes).toBeLessThan(200);
  expect(after.listeners - before.listeners).toBeLessThan(20);
  expect(after.heap - before.heap, `heap ${before.heap} → ${after.heap}`).toBeLessThan(500_000);
});
