// What the page says of its connection and its feed, over a feed that tests move by hand.
import { describe, expect, test } from "vitest";
import { waitForFeed } from "./browser.ts";
import { BTC, frames, open, page, quote } from "./fixture/stage.ts";

describe("the connection", () => {
  test("that is lost turns the page grey, counts down, and is tried again on request", async () => {
    await open();
    await page.evaluate(() => window.fakeFeed.go("reconnecting", { code: 1006, reason: "no route", retryInMs: 60_000 }));
    await waitForFeed(page, "reconnecting");
    expect(await page.locator("#banner").innerText()).toMatch(/^Reconnecting\.\s.*\(no route\)\sNext attempt in \d\d s\.\sRetry now$/);
    expect(await page.locator(".watch tbody").evaluate((e) => getComputedStyle(e).filter)).toBe("grayscale(1)");
    await page.getByRole("button", { name: "Retry now" }).click();
    expect(await page.evaluate(() => window.fakeFeed.reconnects)).toBe(1);
    await page.evaluate(() => window.fakeFeed.go("live"));
    await waitForFeed(page, "live");
    expect(await page.locator("#banner").isVisible()).toBe(false);
    expect(await page.locator(".watch tbody").evaluate((e) => getComputedStyle(e).filter)).toBe("none");
  });

  test("that is silent is told apart from one that is gone", async () => {
    await open();
    await page.evaluate(() => window.fakeFeed.go("stalled"));
    expect(await page.locator("#banner").innerText()).toMatch(/^Stalled\.\sNothing was heard of the server/);
    await page.evaluate(() => window.fakeFeed.go("closed", { code: 4503, reason: "unknown subprotocol" }));
    expect(await page.locator("#banner").innerText()).toContain("(unknown subprotocol)");
    await page.getByRole("button", { name: "Connect again" }).click();
    await waitForFeed(page, "live");
  });

  test("is no better than its feed: some instruments suspect, then all, then none, whatever else is so", async () => {
    await open();
    const banner = () => page.locator("#banner").innerText();
    const status = (symbol: string, quality: "ok" | "suspect" | "syncing", reason = "") =>
      page.evaluate(([symbol, quality, reason]) => window.fakeFeed.status(symbol, { quality, reason }), [symbol, quality, reason] as const);
    await status("sim:ETH-USD", "suspect", "trades are missing");
    await waitForFeed(page, "partly");
    expect(await banner()).toMatch(/^1 of 2 instruments suspect since \d\d:\d\d:\d\d( or before)?\.\s.*The others are live\. \(trades are missing\)\sFor/);
    expect(await page.locator("#announce").textContent()).toBe("Partly suspect: trades are missing");
    await page.keyboard.press("Space"); // a pause hides nothing that is wrong, and can be ended
    await page.waitForFunction(() => document.getElementById("banner-why")!.textContent!.endsWith("The page is paused as well."));
    expect(await page.evaluate(() => document.body.dataset["feed"])).toBe("partly");
    await page.getByRole("button", { name: "Go on" }).click();
    await status(BTC, "suspect", "trades are missing");
    await waitForFeed(page, "suspect");
    await page.evaluate(() => window.fakeFeed.go("reconnecting", { code: 1006, reason: "gone", retryInMs: 9000 }));
    await waitForFeed(page, "reconnecting");
    expect(await banner()).toMatch(/^Reconnecting\.\s.*\(gone\)\sNext attempt/);
    await page.evaluate(() => window.fakeFeed.go("live"));
    await waitForFeed(page, "suspect");
    await status(BTC, "ok");
    await status("sim:ETH-USD", "syncing", "being read");
    await waitForFeed(page, "syncing");
    expect([await page.locator("#pill-text").textContent(), await page.locator("#banner").isVisible()]).toEqual(["Catching up", false]);
    await status("sim:ETH-USD", "suspect", "book: best bid at or above best ask"); // of which the book itself tells
    await waitForFeed(page, "live");
    expect(await page.locator("#pill-more").textContent()).toContain("2 instruments, all well");
  });

  test("that brings nothing has no latency, and tells of no source", async () => {
    await open();
    const latency = () => page.locator("#latency-p50").textContent();
    await quote(BTC, { bid: 100, ask: 200 });
    await page.evaluate(() => window.fakeFeed.source("sim", "ok", ""));
    await expect.poll(latency).toMatch(/ ms$/);
    await page.evaluate(() => window.fakeFeed.source("sim", "suspect", "silent"));
    await expect.poll(latency).toBe("–");
    await page.evaluate(() => window.fakeFeed.source("sim", "ok", ""));
    await quote(BTC, { bid: 101, ask: 201 });
    await expect.poll(latency).toMatch(/ ms$/);
    const grey = () => page.locator("#sources").evaluate((e) => getComputedStyle(e).filter);
    expect(await grey()).toBe("none");
    await page.evaluate(() => window.fakeFeed.go("reconnecting", { code: 1006, retryInMs: 60_000 }));
    await expect.poll(latency).toBe("–");
    expect(await grey()).toBe("grayscale(1)");
  });

  test("is as good as the instruments that it shows", async () => {
    await open();
    await page.evaluate(() => window.fakeFeed.status("sim:ETH-USD", { quality: "suspect", reason: "silent" }));
    await waitForFeed(page, "partly");
    await page.locator('tr[data-symbol="sim:ETH-USD"]').click();
    await page.keyboard.press("Delete");
    await waitForFeed(page, "live");
  });

  test("alone is announced to screen readers, never a price", async () => {
    await open();
    await page.evaluate(() => {
      const said: string[] = [];
      Object.assign(window, { said });
      new MutationObserver(() => said.push(document.getElementById("announce")!.textContent!)).observe(document.getElementById("announce")!, { childList: true });
    });
    for (let i = 0; i < 5; i++) await quote(BTC, { bid: 100 + i, ask: 200 });
    await page.evaluate(() => window.fakeFeed.go("stalled"));
    await frames();
    expect(await page.evaluate(() => (window as unknown as { said: string[] }).said)).toEqual(["Stalled"]);
    expect(await page.locator("[aria-live], [role=status], [role=alert]").evaluateAll((all) => all.filter((e) => e.closest("table, aside")).length)).toBe(0);
  });

  test("is told when nobody looks, or nobody wants to", async () => {
    await open();
    const visibility = () => page.evaluate(() => window.fakeFeed.visibility);
    expect(await visibility()).toBe("shown");
    // A headless browser never hides a page, so the page is told that it is.
    const hide = (hidden: boolean) => page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    await hide(true);
    expect(await visibility()).toBe("hidden");
    // Nor does it keep frames from a page that it thinks is shown. The title is read all the same.
    await page.evaluate(() => {
      Object.assign(window, { frames: window.requestAnimationFrame });
      window.requestAnimationFrame = () => 0;
      window.fakeFeed.quote("sim:BTC-USD", { bid: 6183763, ask: 6183764 });
    });
    await page.waitForFunction(() => document.title === "61,837.63 BTC-USD · feedd", undefined, { polling: 50 });
    await page.evaluate(() => Object.assign(window, { requestAnimationFrame: (window as unknown as { frames: unknown }).frames }));
    await hide(false);
    expect(await visibility()).toBe("shown");
    await page.keyboard.press("Space");
    expect(await visibility()).toBe("paused");
    await waitForFeed(page, "paused");
    await page.getByRole("button", { name: "Go on" }).click();
    expect(await visibility()).toBe("shown");
    await waitForFeed(page, "live");
  });
});
