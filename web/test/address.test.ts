import { describe, expect, test } from "vitest";
import { formatAddress, MAX_ROWS, parseAddress, symbolProblem } from "../dashboard/address.ts";

describe("a deep link", () => {
  test("names symbols in order, once each, and a rate", () => {
    expect(parseAddress("?symbols=sim:BTC-USD,test:FAKE,sim:BTC-USD&rate=250"))
      .toEqual({ symbols: ["sim:BTC-USD", "test:FAKE"], cadenceMs: 250, problems: [] });
  });

  test("may leave out either, and then the page decides", () => {
    expect(parseAddress("")).toEqual({ problems: [] });
    expect(parseAddress("?symbols=&rate=0")).toEqual({ cadenceMs: 0, problems: [] });
    expect(parseAddress("?other=1")).toEqual({ problems: [] });
  });

  test.each([
    ["20", 20], ["99", 50], ["260", 250], ["5000", 5000], ["1", 0],
  ])("with the rate %s asks for %i ms", (rate, want) => {
    expect(parseAddress(`?rate=${rate}`).cadenceMs).toBe(want);
  });

  test.each(["", "fast", "-1", "5001", "1e3", "2.5", "99999999999"])("with the rate %j is told what would be right", (rate) => {
    const address = parseAddress(`?rate=${rate}`);
    expect(address.cadenceMs).toBeUndefined();
    expect(address.problems).toEqual([expect.stringContaining("want whole milliseconds from 0 to 5000")]);
  });

  test("shows what is right and says what is wrong", () => {
    const address = parseAddress("?symbols=sim:BTC-USD,nonsense,sim:A%20B,x:" + "y".repeat(70));
    expect(address.symbols).toEqual(["sim:BTC-USD"]);
    expect(address.problems).toHaveLength(3);
    expect(address.problems[0]).toContain("“nonsense”");
    expect(address.problems[1]).toContain("space or control character");
    expect(address.problems[2]).toContain("longer than 64 bytes");
    expect(address.problems[2]!.length).toBeLessThan(220);
  });

  test("of too many symbols shows the first", () => {
    const many = Array.from({ length: MAX_ROWS + 5 }, (_, i) => `sim:I${i}`).join(",");
    const address = parseAddress(`?symbols=${many}`);
    expect(address.symbols).toHaveLength(MAX_ROWS);
    expect(address.problems).toEqual([expect.stringContaining(`more than ${MAX_ROWS} symbols`)]);
  });

  test.each([["sim:BTC-USD", "binance:*USDT"], ["venue:BRK.B", "venue:BTC/USD"], ["v:A,B", "v:50%", "v:A&B=C", "v:é€"]])(
    "made of a list leads back to it: %s %s", (...symbols) => {
      const address = parseAddress(formatAddress(symbols, 500));
      expect(address).toEqual({ symbols, cadenceMs: 500, problems: [] });
    });

  test("with a stray % sign is read as it stands", () => {
    expect(parseAddress("?symbols=v:50%").symbols).toEqual(["v:50%"]);
  });
});

test.each(["sim:BTC", "a:*", "*", "*USDT", "v:A:B"])("%s can be asked for", (text) => expect(symbolProblem(text)).toBeUndefined());
test.each(["", "sim", ":BTC", "sim:", "sim:B C", "sim:\u0007"])("%j cannot", (text) => expect(symbolProblem(text)).toContain("want venue:NAME"));
