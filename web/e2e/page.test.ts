// The page over a feed that tests move by hand: what it shows, and how it behaves when things break.
import { describe, expect, test } from "vitest";
import { chooseRate, row, snapshot, waitForFeed, waitForOther } from "./browser.ts";
import { BTC, classesOf, frames, open, page, quote } from "./fixture/stage.ts";

const order = () => page.evaluate(() => window.feeddDashboard.snapshot().rows.map((r) => r.symbol));

describe("the watchlist", () => {
  test("shows a quote to its last digit, and what moved lights up and goes out", async () => {
    await open();
    await quote(BTC, { bid: 6183763, bidSize: 150000, ask: 6183764, askSize: 25 });
    expect(await row(page, BTC)).toMatchObject({
      about: "Bitcoin / US dollar", bid: "61,837.63", bidSize: "1.50000", ask: "61,837.64", askSize: "0.00025", spread: "0.01", quality: "–",
    });
    expect(await classesOf(`tr[data-symbol="${BTC}"] td.bid`)).toBe("price bid");
    await quote(BTC, { bid: 6183790, ask: 6183700, askSize: null });
    expect(await classesOf(`tr[data-symbol="${BTC}"] td.bid`)).toBe("price bid up");
    expect(await classesOf(`tr[data-symbol="${BTC}"] td.ask`)).toBe("price ask down");
    expect(await page.locator(`tr[data-symbol="${BTC}"] td.bid b`).textContent()).toBe("90");
    expect(await row(page, BTC)).toMatchObject({ bid: "61,837.90", spread: "−0.90", askSize: "–" });
    await page.waitForFunction(() => document.querySelectorAll("td.up, td.down, td.moved").length === 0);
  });

  test("writes a cell once a frame however often it changed, and not at all for the same text", async () => {
    await open();
    await quote(BTC, { bid: 100, bidSize: 1, ask: 200, askSize: 1 });
    const writes = await page.evaluate(async (symbol) => {
      const cell = document.querySelector(`tr[data-symbol="${symbol}"]`)!;
      const records: string[] = [];
      new MutationObserver((all) => records.push(...all.map((r) => (r.target.parentElement?.closest("td")?.className ?? "").split(" ")[1]!)))
        .observe(cell, { characterData: true, subtree: true });
      for (let i = 1; i <= 500; i++) window.fakeFeed.quote(symbol, { bid: 100 + (i % 50) + 7 });
      await new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));
      return records.filter((name) => name !== "undefined");
    }, BTC);
    expect(writes.filter((name) => name === "bid").length).toBeLessThanOrEqual(2); // the digits that stayed, and those that changed
    expect(writes.filter((name) => name === "ask" || name === "bid-size")).toEqual([]);
    expect((await row(page, BTC)).bid).toBe("1.07");
  });

  test("the last trade keeps its arrow until one at another price", async () => {
    await open();
    const arrow = () => page.locator(`tr[data-symbol="${BTC}"] td.last .arrow`).textContent();
    const trade = async (price: number) => {
      await page.evaluate(([symbol, price]) => window.fakeFeed.trade(symbol, price, 5, "buy"), [BTC, price] as const);
      await frames();
    };
    await trade(100);
    expect(await arrow()).toBe("");
    await trade(101);
    await trade(101);
    expect(await arrow()).toBe("▲");
    await trade(99);
    expect(await arrow()).toBe("▼");
    expect((await row(page, BTC)).last).toBe("0.99");
  });

  test("suspect is grey and says why; a price that merely rests is neither", async () => {
    await open();
    await quote(BTC, { bid: 100, bidSize: 1, ask: 200, askSize: 1 });
    await quote("sim:ETH-USD", { bid: 100, bidSize: 1, ask: 200, askSize: 1, ageMs: 3_600_000 });
    await page.evaluate(() => {
      window.fakeFeed.status("sim:ETH-USD", {});
      window.fakeFeed.status("sim:BTC-USD", { quality: "suspect", reason: "silent for 5 s" });
    });
    await frames();
    expect(await row(page, BTC)).toMatchObject({ quality: "suspect", bid: "1.00" });
    expect(await row(page, "sim:ETH-USD")).toMatchObject({ quality: "ok", age: "60m" });
    expect(await page.locator(`tr[data-symbol="${BTC}"] td.state`).getAttribute("title")).toBe("silent for 5 s");
    const colour = (symbol: string) => page.locator(`tr[data-symbol="${symbol}"] td.bid`).evaluate((td) => getComputedStyle(td).color);
    expect(await colour(BTC)).not.toBe(await colour("sim:ETH-USD"));
    await page.evaluate(() => window.fakeFeed.source("sim", "suspect", "no heartbeat"));
    await frames();
    expect(await page.locator("#sources li").allTextContents()).toEqual(["sim: suspect, no heartbeat"]);
    await page.evaluate(() => window.fakeFeed.status("sim:BTC-USD", { trading: "halted" }));
    await frames();
    expect((await row(page, BTC)).quality).toBe("halted");
  });

  test("a link's unknown symbol and bad parts are named, and the rest is shown", async () => {
    await open(`?symbols=${BTC},foo:BAR,nonsense,zzz:*&rate=never`);
    expect((await row(page, "foo:BAR")).trouble).toContain("no instrument foo:BAR");
    expect((await row(page, "zzz:*")).trouble).toContain("no instrument zzz:*");
    expect(await page.locator("#notices li span").allTextContents()).toEqual([
      expect.stringContaining("“nonsense” in the link: want venue:NAME"), expect.stringContaining("rate=never in the link: want whole milliseconds"),
    ]);
    await page.locator("#notices button").first().click();
    expect(await page.locator("#notices li").count()).toBe(1);
    expect((await snapshot(page)).focused).toBe(BTC);
  });

  test("a pattern becomes a row for each match", async () => {
    await open("?symbols=test:FAKE,sim:*");
    expect(await order()).toEqual(["test:FAKE", BTC, "sim:ETH-USD", "sim:SOL-USD", "sim:EUR-USD"]);
    await page.keyboard.press("End");
    await page.locator(`tr[data-symbol="sim:EUR-USD"]`).click();
    await page.keyboard.press("Delete");
    await quote("sim:EUR-USD", { bid: 1, ask: 2 });
    expect(await order()).toEqual(["test:FAKE", BTC, "sim:ETH-USD", "sim:SOL-USD"]);
  });

  test("without a link, the first instruments are shown, and a list once made is remembered", async () => {
    await open("");
    expect(await order()).toEqual([BTC, "sim:ETH-USD", "sim:SOL-USD", "sim:EUR-USD", "test:FAKE"]);
    await page.locator(`tr[data-symbol="${BTC}"]`).click();
    await page.keyboard.press("Delete");
    await page.reload();
    await waitForFeed(page, "live");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.length > 0);
    expect(await order()).toEqual(["sim:ETH-USD", "sim:SOL-USD", "sim:EUR-USD", "test:FAKE"]);
  });
});

describe("the focused symbol", () => {
  test("has its trades on the tape, newest first, missing ones named", async () => {
    await open();
    await page.evaluate((symbol) => {
      const feed = window.fakeFeed;
      feed.trade(symbol, 100, 5, "buy");
      feed.missed(symbol, "lost", 2, 49);
      feed.missed(symbol, "gap", 50, 50);
      feed.trade(symbol, 101, 6, "sell");
    }, BTC);
    await frames();
    expect((await snapshot(page)).tape).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3} 1\.01 0\.00006$/),
      "1 trade missing (#50): never reached the server",
      "48 trades lost (#2–49): they came faster than this page takes them",
      expect.stringMatching(/ 1\.00 0\.00005$/),
    ]);
  });

  test("follows the row, and the tab's title follows its price", async () => {
    await open();
    await quote(BTC, { bid: 6183763, ask: 6183764 });
    await quote("sim:ETH-USD", { bid: 260000, ask: 260010 });
    expect(await page.title()).toBe("61,837.63 BTC-USD · feedd");
    await page.evaluate(() => window.fakeFeed.trade("sim:ETH-USD", 260005, 1, "buy"));
    await page.locator('tr[data-symbol="sim:ETH-USD"]').click();
    await frames();
    expect(await page.title()).toBe("2,600.05 ETH-USD · feedd");
    expect(await page.locator("#focus-bid").textContent()).toBe("2,600.00");
    expect(await page.locator("#focus-spread").textContent()).toBe("0.10 · 0.38 bp");
    expect((await snapshot(page)).tape).toHaveLength(1);
  });

  test("a long burst leaves the newest lines", async () => {
    await open();
    await page.evaluate((symbol) => {
      for (let i = 1; i <= 1000; i++) window.fakeFeed.trade(symbol, i, 1, "buy");
    }, BTC);
    await frames();
    const { tape } = await snapshot(page);
    expect(tape).toHaveLength(80);
    expect([tape[0], tape[79]]).toEqual([expect.stringContaining(" 10.00 "), expect.stringContaining(" 9.21 ")]);
  });
});

describe("the keyboard", () => {
  test("moves through rows, moves a row, and removes it", async () => {
    await open(`?symbols=${BTC},sim:ETH-USD,sim:SOL-USD`);
    await page.locator(`tr[data-symbol="${BTC}"]`).focus();
    await page.keyboard.press("ArrowDown");
    expect((await snapshot(page)).focused).toBe("sim:ETH-USD");
    await page.keyboard.press("Alt+ArrowDown");
    expect(await order()).toEqual([BTC, "sim:SOL-USD", "sim:ETH-USD"]);
    await page.keyboard.press("Home");
    await page.keyboard.press("Delete");
    expect(await order()).toEqual(["sim:SOL-USD", "sim:ETH-USD"]);
    expect((await snapshot(page)).focused).toBe("sim:SOL-USD");
    expect(new URL(page.url()).search).toBe("?symbols=sim:SOL-USD,sim:ETH-USD&rate=100");
    await page.keyboard.press("Delete");
    await page.keyboard.press("Delete");
    expect(await page.locator("#empty").textContent()).toContain("Press / to add one");
    expect(await page.evaluate(() => window.fakeFeed.stores.size)).toBe(0);
  });

  test("finds and adds a symbol", async () => {
    await open();
    await page.keyboard.press("/");
    await page.keyboard.type("us dollar");
    await page.waitForFunction(() => document.querySelectorAll("#search-list li").length === 4);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    expect(await page.locator('#search-list [aria-selected="true"] .name').textContent()).toBe("simSOL-USD");
    await page.keyboard.press("Enter");
    expect(await order()).toEqual([BTC, "sim:ETH-USD", "sim:SOL-USD"]);
    expect((await snapshot(page)).focused).toBe("sim:SOL-USD");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("zzzz");
    await page.waitForFunction(() => document.getElementById("search-note")!.textContent!.includes("No instrument fits “zzzz”"));
    await page.keyboard.press("Escape");
    expect(await page.locator("#search").getAttribute("open")).toBeNull();
    expect(await order()).toHaveLength(3);
  });
});

describe("the rate", () => {
  test("is wished by hand, and the page shows what is granted", async () => {
    await open();
    await page.waitForFunction(() => window.feeddDashboard.snapshot().grant === "granted 100 ms");
    await chooseRate(page, "2 s");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().grant === "granted 2 s");
    // All but the sparklines', which have the slowest there is.
    expect(await page.evaluate(() => [...new Set([...window.fakeFeed.stores].map((store) => store.cadenceMs))].sort())).toEqual([2000, 5000]);
    expect(new URL(page.url()).search).toContain("rate=2000");
    await chooseRate(page, "live");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().grant === "granted 50 ms, set by policy");
    await page.locator("#rows tr").first().focus();
    await page.keyboard.press("]");
    expect(await page.locator("#rate").getAttribute("aria-valuetext")).toBe("20 ms");
  });
});

describe("the look", () => {
  test("follows the system until told otherwise, and is remembered", async () => {
    await open();
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await ground();
    await page.emulateMedia({ colorScheme: "light" });
    const light = await ground();
    expect(light).not.toBe(dark);
    await page.keyboard.press("?");
    await page.getByRole("radio", { name: "Dark" }).check({ force: true });
    await page.getByRole("radio", { name: "Red is up" }).check({ force: true });
    expect(await ground()).toBe(dark);
    await page.reload();
    await waitForFeed(page, "live");
    expect(await ground()).toBe(dark);
    expect(await page.evaluate(() => document.documentElement.dataset["palette"])).toBe("red-up");
  });

  test("needs no storage", async () => {
    await page.addInitScript(() => Object.defineProperty(window, "localStorage", { get() { throw new DOMException("denied", "SecurityError"); } }));
    await open("");
    await page.keyboard.press("?");
    await page.getByRole("radio", { name: "Light" }).check({ force: true });
    expect(await page.evaluate(() => document.documentElement.dataset["theme"])).toBe("light");
  });

  test.each([360, 640, 900, 1100, 1280, 1920])("fits a window %i pixels wide", async (width) => {
    await page.setViewportSize({ width, height: 800 });
    await open();
    await quote(BTC, { bid: 6183763, bidSize: 150000000, ask: 6183764, askSize: 25 });
    // All at one moment: what stands above may grow by a line while the page settles.
    const boxes = await page.evaluate((places) => places.map((s) => document.querySelector(s)!.getBoundingClientRect().toJSON() as DOMRect),
      ["#watch", "#focus", "footer", `tr[data-symbol="${BTC}"]`, 'tr[data-symbol="sim:ETH-USD"]', "#dock"]);
    const [list, panel, foot, first, second, dock] = boxes;
    if (width > 820) { // side by side, with a line between; below that, one at a time and a dock to choose by
      expect(panel!.x).toBe(list!.x + list!.width + 1);
      expect(Math.round(foot!.y + foot!.height)).toBe(800);
    } else expect([panel!.width, foot!.width, dock!.y + dock!.height]).toEqual([0, 0, 800]);
    expect(second!.y - first!.y).toBe(width > 640 ? 30 : 44); // a row that waits is as high as any other
    const wide = await page.evaluate(() => [document.documentElement, document.getElementById("watch")!]
      .map((e) => e.scrollWidth - e.clientWidth));
    expect(wide).toEqual([0, 0]);
    const cut = await page.locator(`tr[data-symbol="${BTC}"] :is(td.price, th.symbol)`).evaluateAll((cells) => cells
      .filter((td) => (td as HTMLElement).offsetWidth > 0 && td.scrollWidth > td.clientWidth).map((td) => td.className));
    expect(cut).toEqual([]);
  });

  test("fits a small phone whatever is wrong", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await open();
    const beyond = () => page.locator(".head > *, .head .tool, #banner > *").evaluateAll((all) => all
      .filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.id || e.className));
    await page.evaluate(() => window.fakeFeed.status("sim:ETH-USD", { quality: "suspect", reason: "no heartbeat for 3000 ms" }));
    await waitForFeed(page, "partly");
    expect(await beyond()).toEqual([]);
    await page.evaluate(() => window.fakeFeed.source("sim", "suspect", "feedd lost its NATS server"));
    await waitForFeed(page, "suspect");
    expect(await beyond()).toEqual([]);
    await page.evaluate(() => window.fakeFeed.go("reconnecting", { code: 1006, reason: "no answer: Failed to fetch", retryInMs: 60_000 }));
    await waitForFeed(page, "reconnecting");
    expect(await beyond()).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  });

  test("has text that can be read on its ground in every theme and palette", async () => {
    await open(`?symbols=${BTC},sim:ETH-USD,foo:BAR&rate=20`);
    await page.evaluate((symbol) => {
      const feed = window.fakeFeed;
      feed.trade(symbol, 100, 1, "buy");
      feed.trade(symbol, 100, 1, "sell");
      feed.missed(symbol, "lost", 1, 2);
      feed.quote(symbol, { bid: 100, bidSize: 5, ask: 101, askSize: 5 });
      feed.quote("sim:ETH-USD", { bid: 100, bidSize: 5, ask: 101, askSize: 5 });
      feed.source("sim", "ok", "");
      feed.status("sim:ETH-USD", { quality: "suspect" });
    }, BTC);
    await frames();
    for (const theme of ["dark", "light"]) {
      for (const palette of ["blue-orange", "green-red", "red-up"]) {
        const poor = await page.evaluate(readability, { theme, palette });
        expect(poor, `${theme}, ${palette}`).toEqual([]);
      }
    }
  });
});

/** Runs in the page: texts whose contrast to what lies behind them is under 4.5 to 1. */
function readability(look: { theme: string; palette: string }): string[] {
  Object.assign(document.documentElement.dataset, look);
  for (const [name, way] of [["bid", "up"], ["ask", "down"]] as const) document.querySelector(`tbody td.${name}`)!.classList.add(way);
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true })!;
  const luminance = (colours: string[]) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
    }
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const poor: string[] = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement!;
    if (texts.currentNode.textContent!.trim() === "" || !element.checkVisibility({ visibilityProperty: true })) continue;
    const behind: string[] = [];
    for (let e: Element | null = element; e !== null; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
    const [ground, text] = [luminance(behind), luminance([...behind, getComputedStyle(element).color])];
    const ratio = (Math.max(ground, text) + 0.05) / (Math.min(ground, text) + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.className || element.tagName}: ${texts.currentNode.textContent}`);
  }
  return poor;
}

test("a resting row's age goes on without new rows", async () => {
  await open();
  await quote(BTC, { bid: 100, ask: 101 });
  const first = (await row(page, BTC)).age;
  expect(await waitForOther(page, BTC, "age", first)).toMatch(/^\d+\.\ds$/);
});
