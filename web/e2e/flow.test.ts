// The signature of the page: what a rate merges, shown as it happens, over a feed that tests move by hand.
import { describe, expect, test } from "vitest";
import { chooseRate } from "./browser.ts";
import { frames, open, page } from "./fixture/stage.ts";

/** Runs a feed in the page that brings 20 rows a second, each of which stands for five ticks. */
async function run(): Promise<void> {
  await page.evaluate(() => {
    const feed = window.fakeFeed;
    setInterval(() => {
      feed.quote("sim:BTC-USD", { bid: 100 + Math.floor(Math.random() * 50), ask: 200 });
      feed.traffic.conflated += 4;
    }, 50);
  });
}

const text = (id: string) => page.locator(`#${id}`).textContent();
const number = async (id: string) => Number.parseFloat((await text(id))!);
/** Colours of the scope that are not its ground. */
const drawn = () => page.locator("#scope").evaluate((canvas: HTMLCanvasElement) => {
  const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
});

describe("the flow", () => {
  test("tells ticks from rows, and what was merged since the rate was chosen", async () => {
    await open();
    await run();
    await page.waitForFunction(() => Number.parseInt(document.getElementById("merged-share")!.textContent!, 10) >= 70);
    expect(await number("ticks")).toBeGreaterThan(await number("rows-rate"));
    expect(await text("since")).toMatch(/^At 100 ms: [\d,]+ ticks came in [\d,]+ rows, [\d,]+ of them merged$/);
    await page.waitForFunction(() => Number(/([\d,]+) of them merged/.exec(document.getElementById("since")!.textContent!)![1]!.replaceAll(",", "")) > 100);
    expect(await drawn()).toBeGreaterThan(8);
    await chooseRate(page, "1 s");
    await page.waitForFunction(() => document.getElementById("since")!.textContent!.startsWith("At 1 s: "));
    const merged = Number(/([\d,]+) of them merged/.exec((await text("since"))!)![1]!.replaceAll(",", ""));
    expect(merged).toBeLessThan(100 * 60);
  });

  test("has hops from the exchange to the screen, with a bar in proportion", async () => {
    await open();
    await run();
    await page.waitForFunction(() => document.getElementById("way-p50")!.textContent!.endsWith("ms"));
    const hops = await page.locator("#way-hops li").evaluateAll((all) => all.map((li) => [...li.children].map((c) => c.textContent)));
    expect(hops.map(([name]) => name)).toEqual(["exchange → feedd", "→ cut", "→ page", "→ screen"]);
    for (const [, p50, p99] of hops) expect([p50, p99]).toEqual([expect.stringMatching(/^−?[\d.]+ ms$|^[\d.]+ ms$/), expect.stringMatching(/^p99 .*ms$/)]);
    // The fake's ticks take 4 ms to feedd and 2 to the cut.
    expect(await page.locator("#way i").evaluateAll((all) => all.slice(0, 2).map((i) => (i as HTMLElement).style.flexGrow))).toEqual(["4", "2"]);
  });

  test("is moved by keys as well, shown and hidden by one, and remembered", async () => {
    await open();
    const slider = page.locator("#rate");
    await slider.focus();
    await page.keyboard.press("ArrowRight");
    expect(await slider.getAttribute("aria-valuetext")).toBe("250 ms");
    await page.keyboard.press("End");
    expect(await slider.getAttribute("aria-valuetext")).toBe("5 s");
    await page.locator("#rows tr").first().focus();
    await page.keyboard.press("[");
    expect(await slider.getAttribute("aria-valuetext")).toBe("2 s");
    await page.locator("#rate-steps span").first().click();
    expect([await slider.getAttribute("aria-valuetext"), await text("rate-said")]).toEqual(["live", "live"]);
    await page.keyboard.press("f");
    expect(await page.locator("#flow").isVisible()).toBe(false);
    await page.reload();
    await frames();
    expect(await page.locator("#flow").isVisible()).toBe(false);
    await page.getByRole("button", { name: "Flow" }).first().click();
    expect(await page.locator("#flow").isVisible()).toBe(true);
  });

  test("has a ceiling of bytes, by hand and by keys, that is told to the server and remembered", async () => {
    await open("");
    await run();
    const ceiling = () => page.evaluate(() => window.fakeFeed.ceiling);
    expect([await ceiling(), await text("ceiling-said")]).toEqual([0, "none"]);
    await page.locator("#ceiling").fill("3");
    expect([await ceiling(), await text("ceiling-said")]).toEqual([20_000, "20 kB/s"]);
    await page.waitForFunction(() => document.getElementById("since")!.textContent!.startsWith("At 100 ms, below 20 kB/s: "));
    expect(await text("ceiling-use")).toMatch(/^[\d.]+ k?B\/s used$/);
    await page.locator("#rows tr").first().focus();
    await page.keyboard.press("}");
    expect(await ceiling()).toBe(10_000);
    await page.reload();
    await frames();
    expect([await ceiling(), await text("ceiling-said")]).toEqual([10_000, "10 kB/s"]);
    await page.locator("#rows tr").first().focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press("{");
    expect(await ceiling()).toBe(0);
  });

  test("says when this page is why less comes than was wished", async () => {
    await open();
    await page.evaluate(() => window.fakeFeed.emit("pace", { steps: 2, lateMs: 400 }));
    await page.waitForFunction(() => document.getElementById("grant")!.textContent!.endsWith("page busy"));
    await page.evaluate(() => window.fakeFeed.emit("pace", { steps: 0, lateMs: 0 }));
    await page.waitForFunction(() => document.getElementById("grant")!.textContent === "granted 100 ms");
  });

  test("does not count what a connection begins with", async () => {
    await page.addInitScript(() => {
      // Ten thousand past trades in the first moments of a connection.
      const timer = setInterval(() => {
        if (window.fakeFeed?.state !== "live") return;
        clearInterval(timer);
        window.fakeFeed.traffic.rows += 10_000;
      });
    });
    await open();
    await run();
    await page.waitForFunction(() => Number.parseInt(document.getElementById("merged-share")!.textContent!, 10) >= 70);
    expect(await number("rows-rate")).toBeLessThan(200);
    expect(await text("updates")).not.toContain("k");
  });
});
