// The page against the real binary when something is in the way: a silent network, a slow machine, a strict policy.
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { chooseRate, launch, newPage, row, waitForFeed, waitForOther, type Watched } from "./browser.ts";
import { startServer, type Server } from "./server.ts";

const FAKE = "test:FAKE";
let browser: Browser;
let server: Server;
let watched: Watched;
let page: Page;

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), startServer("on")]);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await server?.clean();
});
beforeEach(async () => {
  watched = await newPage(browser);
  ({ page } = watched);
});
afterEach(async () => page.context().close());

test("a network that falls silent is stalled, then lost, and comes back with fresh rows", async () => {
  await page.goto(`${server.url}?symbols=${FAKE}`);
  const before = await waitForOther(page, FAKE, "bid", "");
  await page.context().setOffline(true); // the socket stays open, and nothing comes
  await waitForFeed(page, "stalled");
  expect(await page.locator("#banner").innerText()).toContain("Prices may be old");
  await waitForFeed(page, "reconnecting");
  expect(await page.locator(".watch tbody").evaluate((e) => getComputedStyle(e).filter)).toBe("grayscale(1)");
  const { bid } = await row(page, FAKE);
  expect(bid).not.toBe("");
  await page.context().setOffline(false);
  await waitForFeed(page, "live");
  expect(await waitForOther(page, FAKE, "bid", bid)).not.toBe(before);
  expect(await page.locator("#banner").isVisible()).toBe(false);
  expect(await page.locator("#notices li").count()).toBe(0);
});

test("a machine that is too slow for every tick shows the newest, not a backlog", async () => {
  const cdp = await page.context().newCDPSession(page);
  await page.goto(`${server.url}?symbols=${FAKE},sim:*&rate=0`);
  await waitForFeed(page, "live");
  await waitForOther(page, FAKE, "bid", "");
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 6 });
  // The fake instrument counts up once a second, from 100.00 to 109.99 and round: after five more moves the page must be past where
  // the server was before them, which a backlog of five seconds would prevent.
  const count = (text: string) => Math.round(Number(text) * 100);
  const answer = await (await fetch(new URL(`v1/snapshot?symbols=${FAKE}&channels=quote`, server.url))).json() as { quoteTexts: { bid: string }[] };
  let shown = (await row(page, FAKE)).bid;
  for (let moves = 0; moves < 5; moves++) {
    // Of the cell alone: reading the whole page would be what makes it slow.
    shown = await (await page.waitForFunction(([symbol, old]) => {
      const text = document.querySelector(`tr[data-symbol="${symbol}"] td.bid`)!.textContent!;
      return text !== old && text;
    }, [FAKE, shown] as const, { polling: 100 })).jsonValue() as string;
  }
  expect((count(shown) - count(answer.quoteTexts[0]!.bid) + 1000) % 1000).toBeLessThan(500);
  expect(await page.evaluate(() => document.body.dataset["feed"])).toBe("live");
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  expect(watched.complaints).toEqual([]);
});

test("the slider merges ticks of the real market, and tells how many", async () => {
  await page.goto(`${server.url}?symbols=sim:*&rate=0`);
  await page.waitForFunction(() => /^At live: [1-9]/.test(document.getElementById("since")!.textContent!));
  const share = () => page.evaluate(() => Number.parseInt(document.getElementById("merged-share")!.textContent!, 10));
  const live = await share();
  await chooseRate(page, "1 s");
  await page.waitForFunction(() => window.feeddDashboard.snapshot().grant === "granted 1 s");
  await page.waitForFunction((live) => Number.parseInt(document.getElementById("merged-share")!.textContent!, 10) > live + 15, live);
  await page.waitForFunction(() => {
    const [, ticks, rows, merged] = /^At 1 s: ([\d,]+) ticks came in ([\d,]+) rows, ([\d,]+) of them merged$/.exec(document.getElementById("since")!.textContent!) ?? [];
    const [t, r, m] = [ticks, rows, merged].map((text) => Number(text?.replaceAll(",", "")));
    return m! > 100 && t === r! + m!;
  });
  expect(watched.complaints).toEqual([]);
});

test("a ceiling of bytes is kept by the server, which merges what does not fit", async () => {
  await page.goto(`${server.url}?symbols=sim:*&rate=50`);
  await page.waitForFunction(() => /^At 50 ms: [1-9]/.test(document.getElementById("since")!.textContent!));
  const shown = (id: string) => page.evaluate((id) => Number(document.getElementById(id)!.textContent!.replace(/^([\d.]+) ?k.*$/, "$1e3").replace(/ .*$/, "")), id);
  // The speed spans two seconds: it is taken when it has settled where no ceiling of this test reaches.
  await expect.poll(() => shown("bytes"), { timeout: 50_000 }).toBeGreaterThan(4_000);
  await page.locator("#ceiling").fill("6");
  expect(await page.locator("#ceiling-said").textContent()).toBe("2 kB/s");
  await page.waitForFunction(() => document.getElementById("since")!.textContent!.startsWith("At 50 ms, below 2 kB/s: "));
  await expect.poll(() => shown("bytes"), { timeout: 50_000 }).toBeLessThan(2_500);
  await expect.poll(() => shown("merged-share"), { timeout: 50_000 }).toBeGreaterThan(60);
  // What does come goes on moving.
  const { bid } = await row(page, "sim:BTC-USD");
  await waitForOther(page, "sim:BTC-USD", "bid", bid);
  await page.locator("#ceiling").fill("0");
  await expect.poll(() => shown("bytes"), { timeout: 50_000 }).toBeGreaterThan(4_000);
  expect(watched.complaints).toEqual([]);
});

test("the page does all it does under its security policy, which holds", async () => {
  await page.addInitScript(() => {
    const violations: string[] = [];
    Object.assign(window, { violations });
    document.addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const response = (await page.goto(`${server.url}?symbols=${FAKE},sim:*&rate=100`))!;
  const policy = response.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
  expect(policy).not.toMatch(/unsafe|\*|data:|https?:/);
  await waitForOther(page, FAKE, "bid", "");
  await page.waitForFunction(() => window.feeddDashboard.snapshot().chart.bars > 0);
  for (const key of ["/", "Escape", "?", "Escape", "f", "f", "r", "]", "."]) await page.keyboard.press(key);
  const violations = () => page.evaluate(() => (window as unknown as { violations: string[] }).violations);
  expect([await violations(), watched.complaints]).toEqual([[], []]);
  // What a page without the policy would run.
  await page.evaluate(() => {
    const style = document.createElement("style");
    style.textContent = "body { display: none }";
    document.head.append(style);
    try {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.head.append(script);
    } catch {
      // trusted types refuse the text before it can be a script
    }
  });
  expect(await page.evaluate(() => [(window as unknown as { ran?: boolean }).ran, getComputedStyle(document.body).display])).toEqual([undefined, "flex"]);
  await expect.poll(async () => (await violations()).length).toBeGreaterThan(0); // the event is a task of its own
});
