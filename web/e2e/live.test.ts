// The page against the real binary, from the simulated market or a recording to the text on the screen.
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chooseRate, launch, newPage, row, snapshot, waitForFeed, waitForOther, type Watched } from "./browser.ts";
import { lastTicks, plainDecimal, reconstruct, type LastTicks } from "./recording.ts";
import { run, startServer, type Server } from "./server.ts";

const FAKE = "test:FAKE";
let browser: Browser;
let watched: Watched;
let page: Page;

beforeAll(async () => void (browser = await launch()));
afterAll(async () => browser?.close());
beforeEach(async () => {
  watched = await newPage(browser);
  ({ page } = watched);
});
afterEach(async () => page.context().close());

describe("with the simulated market", () => {
  let server: Server;
  beforeAll(async () => void (server = await startServer("on")));
  afterAll(async () => {
    await server?.stop();
    await server?.clean();
  });

  /** Symbols of the simulated market, busiest first. */
  async function simulated(): Promise<string[]> {
    const listing = await (await fetch(new URL("v1/instruments?limit=100", server.url))).json() as { instruments: { symbol: string }[] };
    return listing.instruments.map((i) => i.symbol).filter((s) => s !== FAKE);
  }

  test("prices move, nothing is complained of, and the connection is compressed", async () => {
    await page.addInitScript(() => {
      const opened: WebSocket[] = [];
      Object.assign(window, { opened });
      window.WebSocket = class extends WebSocket {
        constructor(url: string | URL, protocols?: string | string[]) {
          super(url, protocols);
          opened.push(this);
        }
      };
    });
    await page.goto(server.url);
    await waitForFeed(page, "live");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.filter((r) => r.bid !== "" && r.quality === "ok").length >= 5);
    const [first] = (await snapshot(page)).rows.filter((r) => r.symbol !== FAKE && r.bid !== "");
    await waitForOther(page, first!.symbol, "bidSize", first!.bidSize);
    await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.some((r) => r.last !== ""));
    await page.waitForFunction(() => document.getElementById("latency-p50")!.textContent!.endsWith("ms"));
    expect(await page.evaluate(() => (window as unknown as { opened: WebSocket[] }).opened.map((w) => [w.protocol, w.extensions])))
      .toEqual([["feedd.v1.proto", expect.stringContaining("permessage-deflate")]]);
    expect(await page.locator("#pill-more").textContent()).toMatch(/Session\S{4,}/);
    expect(watched.complaints).toEqual([]);
  });

  test("prices move where no WebSocket gets through, and the page says what they came over", async () => {
    await page.addInitScript(() => {
      // As in a network that cuts off whatever asks to become one.
      window.WebSocket = class extends EventTarget {
        onclose: ((e: CloseEvent) => void) | null = null;
        readonly protocol = "";
        constructor() {
          super();
          setTimeout(() => this.onclose?.(new CloseEvent("close", { code: 1006 })));
        }
        send(): void {}
        close(): void {}
      } as unknown as typeof WebSocket;
    });
    await page.goto(server.url);
    await waitForFeed(page, "live");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.filter((r) => r.bid !== "" && r.quality === "ok").length >= 5);
    const [first] = (await snapshot(page)).rows.filter((r) => r.symbol !== FAKE && r.bid !== "");
    await waitForOther(page, first!.symbol, "bidSize", first!.bidSize);
    expect(await page.locator("#pill-text").textContent()).toBe("Live over HTTP");
    expect(await page.locator("#pill-more").textContent()).toContain("HTTP streaming, protobuf");
    expect(watched.complaints).toEqual([]);
  });

  test("the instrument that always moves does, and trades of the busiest run down the tape", async () => {
    const [busiest] = await simulated();
    await page.goto(`${server.url}?symbols=${FAKE},${busiest}`);
    await waitForFeed(page, "live");
    const first = await waitForOther(page, FAKE, "bid", "");
    const second = await waitForOther(page, FAKE, "bid", first);
    await waitForOther(page, FAKE, "bid", second);
    await page.locator(`tr[data-symbol="${busiest}"]`).click();
    await page.waitForFunction(() => window.feeddDashboard.snapshot().tape.length > 3);
    expect(await page.title()).toMatch(/^[\d,.]+ .* · feedd$/);
    expect(watched.complaints).toEqual([]);
  });

  test("the focused symbol has a book, candles, statistics and a status", async () => {
    const [busiest] = await simulated();
    await page.goto(`${server.url}?symbols=${busiest}&rate=100`);
    await page.waitForFunction(() => {
      const { book, chart, statistics, rows } = window.feeddDashboard.snapshot();
      return book.bids.length > 4 && book.asks.length > 4 && chart.bars > 0 && statistics.day[0] !== "–" && /^[+−]?\d/.test(rows[0]!.change);
    });
    const { book, chart, statistics } = await snapshot(page);
    expect([book.note, book.state, chart.note]).toEqual(["", "", ""]);
    expect(book.spread).toMatch(/^[\d,.]+ · [\d.]+ bp$/);
    expect(Number(plainDecimal(statistics.day[2]!))).toBeLessThanOrEqual(Number(plainDecimal(chart.legend["L"]!)));
    expect(await page.locator("#chip-quality").textContent()).toBe("ok");
    await page.locator("#depth-group").selectOption({ index: 3 });
    const width = await page.locator("#depth-group option:checked").evaluate((o) => Number((o as HTMLOptionElement).value));
    await page.waitForFunction((widest) => {
      const { bids, note } = window.feeddDashboard.snapshot().book;
      const prices = bids.map(([price]) => Math.round(Number(price.replaceAll(",", "")) * 1e8));
      return note === "" && bids.length > 0 && prices.every((p, i) => i === 0 || prices[i - 1]! - p >= widest);
    }, width);
    for (const name of ["1s", "1h", "1D"]) {
      await page.getByRole("radio", { name, exact: true }).check({ force: true });
      await page.waitForFunction(() => window.feeddDashboard.snapshot().chart.bars > 0);
    }
    expect(watched.complaints).toEqual([]);
  });

  test("a deep link shows its symbols in their order at its rate", async () => {
    const [a, b] = await simulated();
    await page.goto(`${server.url}?symbols=${b},${FAKE},${a}&rate=500`);
    await waitForOther(page, a!, "bid", "");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().grant === "granted 500 ms");
    expect((await snapshot(page)).rows.map((r) => r.symbol)).toEqual([b, FAKE, a]);
  });

  test("a slower rate is granted and brings fewer updates of more ticks each", async () => {
    await page.goto(`${server.url}?symbols=${(await simulated()).slice(0, 10).join(",")}&rate=20`);
    await page.waitForFunction(() => window.feeddDashboard.snapshot().grant === "granted 20 ms");
    // The speed spans a few seconds: it is taken when it has settled above what the slow rate can reach.
    const fast = await (await page.waitForFunction(() => {
      const shown = Number(document.getElementById("updates")!.textContent!.replace("k", "e3"));
      return shown > 30 && shown;
    })).jsonValue() as number;
    await chooseRate(page, "5 s");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().grant === "granted 5 s");
    await page.waitForFunction((most) => Number(document.getElementById("updates")!.textContent!.replace("k", "e3")) < most, fast / 3);
    await page.waitForFunction(() => Number.parseInt(document.getElementById("merged-share")!.textContent!, 10) > 50);
    expect(watched.complaints).toEqual([]);
  });

  test("a symbol that does not exist is named, and the search adds one that does", async () => {
    const [a, b] = await simulated();
    await page.goto(`${server.url}?symbols=${a},nowhere:NOTHING`);
    await waitForOther(page, a!, "bid", "");
    await waitForOther(page, "nowhere:NOTHING", "trouble", "");
    expect((await row(page, "nowhere:NOTHING")).trouble).toContain("nowhere:NOTHING");
    await page.keyboard.press("/");
    await page.keyboard.type(b!);
    await page.waitForFunction((want) => document.querySelector("#search-list li")?.id === "found-0"
      && document.querySelector("#search-list .name")!.textContent === want.replace(":", ""), b!);
    await page.keyboard.press("Enter");
    await waitForOther(page, b!, "bid", "");
    expect((await snapshot(page)).focused).toBe(b);
    expect(watched.complaints).toEqual([]);
  });

  test("a pause stops the rows, and going on brings fresh ones", async () => {
    await page.goto(`${server.url}?symbols=${FAKE}`);
    await waitForOther(page, FAKE, "bid", "");
    await page.keyboard.press("Space");
    await page.waitForFunction(() => window.feeddDashboard.snapshot().grant === "paused");
    const { bid } = await row(page, FAKE);
    await page.waitForFunction(() => Number.parseFloat(window.feeddDashboard.snapshot().rows[0]!.age) > 2);
    expect((await row(page, FAKE)).bid).toBe(bid);
    await page.keyboard.press("Space");
    await waitForOther(page, FAKE, "bid", bid);
  });

  test("a server that dies greys the page; one that comes back brings fresh rows", async () => {
    await page.goto(`${server.url}?symbols=${FAKE}`);
    const before = await waitForOther(page, FAKE, "bid", "");
    await server.kill();
    await waitForFeed(page, "reconnecting");
    expect(await page.locator("#banner").innerText()).toContain("from before the connection was lost");
    server = await server.restart();
    await waitForFeed(page, "live");
    const after = await waitForOther(page, FAKE, "bid", before);
    await waitForOther(page, FAKE, "bid", after);
    expect(await page.locator("#banner").isVisible()).toBe(false);
    expect(await page.locator("#notices li").count()).toBe(0);
  });

  test("a server that is stopped says so, and ends well", async () => {
    await page.goto(`${server.url}?symbols=${FAKE}`);
    await waitForFeed(page, "live");
    expect(await server.stop()).toBe(0);
    await waitForFeed(page, "reconnecting");
    server = await server.restart();
    await waitForFeed(page, "live");
    await waitForOther(page, FAKE, "bid", (await row(page, FAKE)).bid);
  });
});

const ticks = process.env["FEEDD_TICKS"];

// Recordings are market data that the project may not carry; page.test.ts covers the same code on made-up rows.
describe.skipIf(ticks === undefined || ticks === "")("with recordings (directory in FEEDD_TICKS)", () => {
  const BTC = "binance:BTCUSDT";
  let server: Server;
  beforeAll(async () => void (server = await startServer("off")));
  afterAll(async () => {
    await server?.stop();
    await server?.clean();
  });

  /** Waits until the row shows the file's last quote and trade, and says how they differ if it never does. */
  async function shows(want: LastTicks): Promise<void> {
    const plain = (ticks: LastTicks) => Object.fromEntries(Object.entries(ticks).map(([name, text]) => [name, plainDecimal(text)]));
    const shown = async () => {
      const { bid, bidSize, ask, askSize, last } = await row(page, BTC);
      return plain({ bid, bidSize, ask, askSize, trade: last });
    };
    await expect.poll(shown, { timeout: 50_000, interval: 200 }).toEqual(plain(want));
  }

  test("the last prices on the page are the last in the file, loaded after or watched to the end", async () => {
    const [first, second] = ["binance_spot_btcusdt_20240808.gz", "binance_spot_btcusdt_20240809.gz"].map((name) => join(ticks!, name));
    await run("replay", "--nats-url", server.natsUrl, "--speed", "0", first!);
    await page.goto(`${server.url}?symbols=${BTC}&rate=100`);
    await shows(lastTicks(first!));
    await waitForFeed(page, "suspect"); // whoever published has ended
    await run("replay", "--nats-url", server.natsUrl, "--speed", "0", second!);
    await shows(lastTicks(second!));
    expect(watched.complaints).toEqual([]);
  }, 240_000);

  test("the ladder is the book at the end of the file, and the last candle its last minute", async () => {
    const file = join(ticks!, "binance_spot_ethusdt_20240808.gz");
    const truth = reconstruct(file);
    await run("replay", "--nats-url", server.natsUrl, "--speed", "0", file);
    await page.goto(`${server.url}?symbols=binance:ETHUSDT&rate=100`);
    const plain = (levels: [string, string][]) => levels.map((level) => level.map(plainDecimal));
    await expect.poll(async () => {
      const { bids, asks } = (await snapshot(page)).book;
      return bids.length > 4 && [plain(bids), plain(asks)];
    }, { timeout: 50_000, interval: 200 }).toSatisfy((shown) => shown !== false
      && JSON.stringify(shown) === JSON.stringify([truth.bids.slice(0, shown[0].length), truth.asks.slice(0, shown[1].length)]));
    await page.getByRole("radio", { name: "1m" }).check({ force: true });
    const { open, high, low, close, trades } = truth.minutes.at(-1)!;
    await expect.poll(async () => {
      const { legend, bars } = (await snapshot(page)).chart;
      return [bars, ...["O", "H", "L", "C", "Trades"].map((name) => plainDecimal(legend[name] ?? ""))];
    }, { timeout: 50_000, interval: 200 }).toEqual([truth.minutes.length, open, high, low, close, String(trades)]);
    expect(watched.complaints).toEqual([]);
  }, 240_000);

  test("statistics of a recording that is played today are those of all its trades", async () => {
    const file = join(ticks!, "binance_usdm_btcusdt_20240808.gz");
    const { all } = reconstruct(file);
    await run("replay", "--nats-url", server.natsUrl, "--speed", "0", "--present", file);
    await page.goto(`${server.url}?symbols=binance-usdm:BTCUSDT&rate=100`);
    await expect.poll(async () => {
      const [open, high, low, , , , , , trades] = (await snapshot(page)).statistics.day;
      return [open, high, low, trades].map((value) => plainDecimal(value ?? ""));
    }, { timeout: 50_000, interval: 200 }).toEqual([all.open, all.high, all.low, String(all.trades)]);
    const title = async (column: number) => plainDecimal(((await page.locator(`#windows tr:first-child td:nth-of-type(${column})`).getAttribute("title")) ?? "").split(" ")[0]!);
    expect([await title(6), await title(7)]).toEqual([all.volume, all.turnover]);
    expect(watched.complaints).toEqual([]);
  }, 240_000);
});
