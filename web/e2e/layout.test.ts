// Where things stand, and that the page remembers: pages of instruments, order, widths, density, the narrow window.
import { describe, expect, test } from "vitest";
import { snapshot, waitForFeed } from "./browser.ts";
import { BTC, frames, open, page, quote } from "./fixture/stage.ts";

const rows = async () => (await snapshot(page)).rows.map((r) => r.symbol);
const pages = async () => (await snapshot(page)).pages;
const shown = () => page.locator("#pages [aria-selected=true]").textContent();
const asked = () => page.evaluate(() => [...new Set([...window.fakeFeed.stores].flatMap((s) => s.asked))].sort());

async function add(text: string): Promise<void> {
  await page.keyboard.type(text);
  await page.waitForFunction((want) => document.querySelector("#search-list [aria-selected=true] .name")?.textContent === want.replace(":", ""), text);
  await page.keyboard.press("Enter");
}

describe("pages of instruments", () => {
  test("are made, filled, named, passed through by number, and remembered", async () => {
    await open("");
    expect([await pages(), await rows()]).toEqual([["Market"], [BTC, "sim:ETH-USD", "sim:SOL-USD", "sim:EUR-USD", "test:FAKE"]]);
    await page.getByRole("button", { name: "New page" }).click();
    await add("sim:EUR-USD");
    await page.keyboard.press("/");
    await add(BTC);
    expect([await pages(), await shown(), await rows()]).toEqual([["Market", "Page 2"], "Page 2", ["sim:EUR-USD", BTC]]);
    expect(await asked()).toEqual([BTC, "sim:EUR-USD"]); // what no page shows is not subscribed
    await page.locator("#pages [aria-selected=true]").focus();
    await page.keyboard.press("F2");
    await page.keyboard.type("Two");
    await page.keyboard.press("Enter");
    expect(await pages()).toEqual(["Market", "Two"]);
    await page.keyboard.press("1");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.length === 5);
    await page.keyboard.press("2");
    expect(await rows()).toEqual(["sim:EUR-USD", BTC]);
    await page.reload();
    await waitForFeed(page, "live");
    expect([await pages(), await shown(), await rows()]).toEqual([["Market", "Two"], "Two", ["sim:EUR-USD", BTC]]);
    await page.getByRole("button", { name: "Rename or remove this page" }).click();
    await page.getByRole("button", { name: "Remove page" }).click();
    await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.length === 5);
    expect([await pages(), await shown()]).toEqual([["Market"], "Market"]);
    await page.getByRole("button", { name: "Rename or remove this page" }).click();
    expect(await page.getByRole("button", { name: "Remove page" }).isVisible()).toBe(false); // the last one stays
  });

  test("may come by a link, be kept, and be left", async () => {
    await open("?symbols=sim:SOL-USD&rate=100");
    expect([await pages(), await shown()]).toEqual([["Link", "Market"], "Link"]);
    await page.getByRole("button", { name: "Rename or remove this page" }).click();
    await page.keyboard.type("From a friend");
    await page.keyboard.press("Enter");
    expect([await pages(), await shown(), await rows()]).toEqual([["Market", "From a friend"], "From a friend", ["sim:SOL-USD"]]);
    expect(new URL(page.url()).search).toBe("");
    await page.goto(`${page.url()}?symbols=test:FAKE`);
    await waitForFeed(page, "live");
    expect([await pages(), await rows()]).toEqual([["Link", "Market", "From a friend"], ["test:FAKE"]]);
    await page.locator("#pages [aria-selected=true]").focus();
    await page.keyboard.press("End");
    expect([await pages(), await shown(), await rows()]).toEqual([["Market", "From a friend"], "From a friend", ["sim:SOL-USD"]]);
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("From a friend");
  });
});

describe("the order of rows", () => {
  test("is put by symbol and by change, both ways round, and holds", async () => {
    await open("?symbols=sim:SOL-USD,sim:BTC-USD,sim:ETH-USD");
    const day = (open: number, change: number) => ({ open, high: open, low: open, change, volume: 1, turnover: "1", vwap: open, trades: 1 });
    await page.evaluate(([up, down]) => {
      window.fakeFeed.statistics("sim:SOL-USD", up, null);
      window.fakeFeed.statistics("sim:BTC-USD", down, null);
    }, [day(100, 5), day(100, -5)] as const);
    await frames();
    await page.getByRole("button", { name: "24 h %" }).click();
    expect(await rows()).toEqual(["sim:SOL-USD", "sim:BTC-USD", "sim:ETH-USD"]); // what has no change yet comes last
    await page.getByRole("button", { name: "24 h %" }).click();
    expect(await rows()).toEqual(["sim:BTC-USD", "sim:SOL-USD", "sim:ETH-USD"]);
    await page.getByRole("button", { name: "Symbol", exact: true }).click();
    expect(await rows()).toEqual(["sim:BTC-USD", "sim:ETH-USD", "sim:SOL-USD"]);
    expect(await page.locator("[data-sort=symbol]").getAttribute("aria-sort")).toBe("ascending");
    expect(new URL(page.url()).search).toContain("symbols=sim:BTC-USD,sim:ETH-USD,sim:SOL-USD");
    await page.locator("#rows tr").first().focus();
    await page.keyboard.press("Alt+ArrowDown");
    expect(await page.locator("[data-sort=symbol]").getAttribute("aria-sort")).toBe("none");
  });
});

test("a sparkline shows what was seen of the quote, and the hour once there are bars of it", async () => {
  await open();
  const spark = page.locator(`tr[data-symbol="${BTC}"] td.spark svg`);
  const line = () => spark.locator("path").nth(1).getAttribute("d");
  await page.evaluate(async (symbol) => {
    for (let i = 0; i < 4; i++) {
      window.fakeFeed.quote(symbol, { bid: 100 + i, ask: 101 + i });
      await new Promise((done) => setTimeout(done, 250));
    }
  }, BTC);
  await page.waitForFunction((symbol) => document.querySelector(`tr[data-symbol="${symbol}"] svg[data-of=quotes][data-way=up]`), BTC);
  expect(await line()).toMatch(/^M3\.0 27\.0L.*97\.0 3\.0$/); // from the least at the left to the most at the right
  expect(await spark.getAttribute("data-way")).toBe("up");
  await page.evaluate((symbol) => {
    for (let i = 0; i < 10; i++) window.fakeFeed.bar(symbol, 60, 1_767_225_600 + 60 * i, { open: 100, high: 110, low: 90, close: 100 + i });
  }, BTC);
  await page.waitForFunction((symbol) => document.querySelector(`tr[data-symbol="${symbol}"] svg[data-of=bars]`), BTC);
});

test("the line between list and symbol is moved by hand and by keys, and stays", async () => {
  await open("");
  const width = () => page.locator("#watch").evaluate((e) => e.clientWidth);
  const before = await width();
  const line = (await page.locator("#split").boundingBox())!;
  await page.mouse.move(line.x, 500);
  await page.mouse.down();
  await page.mouse.move(line.x - 150, 500, { steps: 3 });
  await page.mouse.up();
  const dragged = await width();
  expect(before - dragged).toBeGreaterThan(120);
  await page.locator("#split").focus();
  await page.keyboard.press("ArrowRight");
  expect(await width()).toBeGreaterThan(dragged);
  const kept = await width();
  await page.reload();
  await waitForFeed(page, "live");
  expect(await width()).toBe(kept);
  await page.locator("#split").focus();
  await page.keyboard.press("Enter");
  expect(await width()).toBe(before);
});

test("rows may stand closer, on every visit", async () => {
  await open("");
  const height = () => page.locator("#rows tr").first().evaluate((tr) => tr.clientHeight);
  expect(await height()).toBe(30);
  await page.keyboard.press("?");
  await page.getByRole("radio", { name: "Compact" }).check({ force: true });
  expect(await height()).toBe(24);
  await page.reload();
  await waitForFeed(page, "live");
  await page.waitForFunction(() => document.querySelector("#rows tr") !== null);
  expect(await height()).toBe(24);
});

describe("a phone", () => {
  test("shows one part at a time, and has nothing sent for the others", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open();
    await quote(BTC, { bid: 6183763, bidSize: 150000, ask: 6183764, askSize: 25 });
    const visible = async () => page.evaluate(() => ["#watch", "#chart-panel", "#depth", "#trades", "#flow"].filter((s) => document.querySelector(s)!.checkVisibility()));
    const channels = () => page.evaluate(() => [...new Set([...window.fakeFeed.stores].filter((s) => s.cadenceMs < 5000).map((s) => s.channel))].sort());
    expect([await visible(), await channels()]).toEqual([["#watch"], ["quote", "stats", "trade"]]);
    await page.locator(`tr[data-symbol="${BTC}"]`).click();
    await frames();
    expect([await visible(), await channels()]).toEqual([["#chart-panel"], ["bar", "quote", "stats", "trade"]]);
    const dock = page.getByRole("navigation");
    await dock.getByRole("button", { name: "Book" }).click();
    await frames();
    expect([await visible(), await channels()]).toEqual([["#depth"], ["book", "quote", "stats", "trade"]]);
    await dock.getByRole("button", { name: "Trades" }).click();
    await frames();
    expect([await visible(), await channels()]).toEqual([["#trades"], ["quote", "stats", "trade"]]);
    await dock.getByRole("button", { name: "Flow" }).click();
    expect(await visible()).toEqual(["#flow"]);
    for (const part of ["List", "Chart", "Book", "Trades", "Flow"]) {
      await dock.getByRole("button", { name: part }).click();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await frames();
    expect(await visible()).toEqual(["#watch", "#chart-panel", "#depth", "#trades", "#flow"]);
  });
});
