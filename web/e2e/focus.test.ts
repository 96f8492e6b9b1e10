// The panels of the focused symbol over a feed that tests move by hand: book, chart, statistics, status.
import { describe, expect, test } from "vitest";
import { row, snapshot, waitForFeed } from "./browser.ts";
import type { FakeFeed } from "./fixture/fake-client.ts";
import { BTC, classesOf, frames, open, page, quote } from "./fixture/stage.ts";

describe("the book of the focused symbol", () => {
  const book = (bids: [number, number][], asks: [number, number][], view?: string, quality?: "ok" | "syncing") =>
    page.evaluate(([symbol, bids, asks, view, quality]) => window.fakeFeed.book(symbol, bids, asks, view, quality), [BTC, bids, asks, view, quality] as const).then(frames);
  const shown = async () => (await snapshot(page)).book;
  const bars = (row: string) => page.locator(row).evaluate((tr) => (tr as HTMLElement).style.backgroundSize.match(/[\d.]+(?=% calc)/g)!.map(Number));

  test("is a ladder about its spread, best levels next to it, with bars for size and total", async () => {
    await open();
    await book([[6183763, 300], [6183700, 100]], [[6183764, 50], [6183900, 150]]);
    expect(await shown()).toEqual({
      bids: [["61,837.63", "0.00300"], ["61,837.00", "0.00100"]], asks: [["61,837.64", "0.00050"], ["61,839.00", "0.00150"]],
      spread: "0.01 · 0.00 bp", state: "", note: "",
    });
    const asks = await page.locator("#depth-asks tr").allTextContents();
    expect(asks.at(-1)).toBe("61,837.640.000500.00050");
    expect(asks.at(-2)).toBe("61,839.000.001500.00200");
    // Size, then total, each in per cent of the largest on either side.
    expect(await bars("#depth-bids tr:nth-child(2)")).toEqual([33.3, 100]);
    expect(await bars("#depth-asks tr:last-child")).toEqual([16.7, 12.5]);
    await book([[6183763, 301], [6183700, 100]], [[6183764, 50]]);
    expect(await classesOf("#depth-bids tr:first-child td.size")).toBe("size moved");
    expect((await shown()).asks).toEqual([["61,837.64", "0.00050"]]);
    await page.waitForFunction(() => document.querySelectorAll(".book .moved").length === 0);
  });

  test("is grouped as is wished, by hand and by keys, and begins ungrouped with another symbol", async () => {
    await open();
    await book([[6183763, 300]], [[6183764, 50]]);
    expect(await page.locator("#depth-group option").allTextContents()).toEqual(["none", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10"]);
    await page.locator("#depth-group").selectOption("1");
    await book([[6183700, 900]], [[6183800, 70]], "20 100");
    expect((await shown()).bids).toEqual([["61,837.00", "0.00900"]]);
    await page.locator("#rows tr").first().focus();
    await page.keyboard.press("+");
    expect(await page.locator("#depth-group option:checked").textContent()).toBe("2");
    expect((await shown()).note).toBe("Waiting for the book…");
    await page.keyboard.press("-");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().book.note === "");
    await page.keyboard.press("ArrowDown");
    await frames();
    expect(await page.evaluate(() => [...window.fakeFeed.stores].filter((s) => s.channel === "book").map((s) => [s.asked, s.view]))).toEqual([[["sim:ETH-USD"], "book 20 0"]]);
  });

  test("is grey and says so while it is mended", async () => {
    await open();
    const colour = () => page.locator("#depth-bids tr:first-child .at").evaluate((td) => getComputedStyle(td).color);
    await book([[6183763, 300]], [[6183764, 50]]);
    const sound = await colour();
    await book([[6183763, 300]], [[6183764, 50]], "20 0", "syncing");
    expect([(await shown()).state, (await shown()).bids.length]).toEqual(["syncing", 1]);
    expect(await colour()).not.toBe(sound);
  });
});

describe("the chart of the focused symbol", () => {
  const MINUTE = 1_767_225_600;
  const bar = (startS: number, values: object, seconds = 60) =>
    page.evaluate(([symbol, seconds, startS, values]) => window.fakeFeed.bar(symbol, seconds, startS, values), [BTC, seconds, startS, values] as const).then(frames);
  const chart = async () => (await snapshot(page)).chart;

  test("draws candles, the newest in words, live and mended", async () => {
    await open();
    await page.getByRole("radio", { name: "1m" }).check({ force: true });
    await frames();
    expect((await chart()).note).toBe("No trades yet");
    await bar(MINUTE, { open: 6183000, high: 6184000, low: 6182000, close: 6183500, volume: 123456, trades: 12, closed: true });
    await bar(MINUTE + 60, { open: 6183500, high: 6183600, low: 6183400, close: 6183450, volume: 500, trades: 2 });
    expect(await chart()).toEqual({ bars: 2, note: "", legend: { O: "61,835.00", H: "61,836.00", L: "61,834.00", C: "61,834.50", V: "0.00500", Trades: "2" } });
    expect(await page.locator("#chart-legend").getAttribute("data-way")).toBe("down");
    await bar(MINUTE + 60, { close: 6183550, trades: 3 });
    expect((await chart()).legend).toMatchObject({ C: "61,835.50", Trades: "3" });
    await bar(MINUTE, { high: 6185000 }); // mended behind the newest
    expect(await chart()).toMatchObject({ bars: 2, legend: { C: "61,835.50" } });
    // Something is drawn: the canvas holds more than its ground.
    const colours = await page.locator("#candles canvas").first().evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
    expect(colours).toBeGreaterThan(3);
  });

  test("has bars of other lengths and the last minute, by hand and by keys, and remembers which", async () => {
    await open("");
    // The sparklines' bars, which every row has at the slowest pace, are none of the chart's.
    const views = () => page.evaluate(() => [...window.fakeFeed.stores].filter((s) => s.channel === "bar" && s.cadenceMs < 5000).map((s) => s.view));
    await frames();
    expect(await views()).toEqual(["bar 1"]);
    await page.locator("#rows tr").first().focus();
    await page.keyboard.press(".");
    expect(await views()).toEqual(["bar 60"]);
    await page.getByRole("radio", { name: "1D" }).check({ force: true });
    expect(await views()).toEqual(["bar 86400"]);
    await page.reload();
    await waitForFeed(page, "live");
    expect(await page.getByRole("radio", { name: "1D" }).isChecked()).toBe(true);
    await page.getByRole("radio", { name: "Tick" }).check({ force: true });
    expect(await views()).toEqual([]);
    expect([await page.locator("#chart").isVisible(), await page.locator("#candles").isVisible()]).toEqual([true, false]);
  });
});

test("statistics, what the venue states, and the change in the list", async () => {
  await open();
  await page.evaluate((symbol) => window.fakeFeed.statistics(
    symbol,
    { open: 6100000, high: 6200000, low: 6050000, change: 83763, volume: 2134512345, turnover: "1298765432.12", vwap: 6111111, trades: 1284331 },
    { open: 6183763, high: 6183763, low: 6183763, change: 0, volume: 5, turnover: "3.09", vwap: 6183763, trades: 1 },
    { mark: 6183800, fundingRateE8: -12500 },
  ), BTC);
  await frames();
  expect((await snapshot(page)).statistics).toEqual({
    day: ["61,000.00", "62,000.00", "60,500.00", "+837.63", "+1.37", "21.345k", "1.2987B", "61,111.11", "1,284,331"],
    session: ["61,837.63", "61,837.63", "61,837.63", "0.00", "0.00", "0.00005", "3.09", "61,837.63", "1"],
    stated: { Mark: "61,838.00", Funding: "−0.012500 %" },
  });
  expect((await row(page, BTC)).change).toBe("+1.37");
  expect(await page.locator("#focus-change").textContent()).toBe("+1.37 %");
  expect(await page.locator("#windows tr:first-child td").nth(5).getAttribute("title")).toBe("21,345.12345 BTC");
  await page.locator('tr[data-symbol="sim:ETH-USD"]').click();
  await frames();
  expect((await snapshot(page)).statistics).toEqual({ day: Array(9).fill("–"), session: Array(9).fill("–"), stated: {} });
});

test("a halt shows at the focused symbol with its reason", async () => {
  await open();
  await page.evaluate((symbol) => window.fakeFeed.status(symbol, { trading: "halted", reason: "volatility" }), BTC);
  await frames();
  const chip = page.locator("#chip-trading");
  expect([await chip.textContent(), await chip.getAttribute("title"), await chip.getAttribute("data-tone")]).toEqual(["halted", "volatility", "warn"]);
});

test("a server without books, bars or statistics leaves panels that say so", async () => {
  await page.addInitScript(() => {
    let feed: FakeFeed | undefined;
    Object.defineProperty(window, "fakeFeed", {
      get: () => feed,
      set: (made: FakeFeed) => {
        feed = made;
        for (const channel of ["book", "bar", "stats"]) made.refused.set(channel, `no ${channel} here`);
      },
    });
  });
  await open();
  await quote(BTC, { bid: 100, ask: 101 });
  const { book, chart } = await snapshot(page);
  expect([book.note, chart.note]).toEqual(["No book: no book here", "No bars: no bar here"]);
  expect(await page.locator("#statistics-note").textContent()).toBe("No statistics: no stats here");
  expect((await row(page, BTC)).bid).toBe("1.00");
});
