import { expect, test } from "vitest";
import { loadLook, saveLook } from "../ui/look.ts";
import { loadPrefs, savePrefs, type Prefs } from "../dashboard/prefs.ts";

function storage(text?: string): Storage {
  const held = new Map<string, string>(text === undefined ? [] : [["feedd.dashboard", text]]);
  return {
    getItem: (key) => held.get(key) ?? null,
    setItem: (key, value) => void held.set(key, value),
    removeItem: (key) => void held.delete(key),
    clear: () => held.clear(),
    key: () => null,
    length: held.size,
  };
}

const DEFAULTS: Prefs = { cadenceMs: 100, ceiling: 0, intervalS: 1, pages: [{ name: "Market", symbols: null }], shown: 0, listShare: 44, flow: true };

test("a first visit gets the defaults", () => expect(loadPrefs(() => storage())).toEqual(DEFAULTS));

test("what was saved comes back", () => {
  const store = storage();
  const prefs: Prefs = {
    cadenceMs: 2000, ceiling: 20_000, intervalS: 3600, shown: 1, listShare: 60, flow: false,
    pages: [{ name: "Market", symbols: null }, { name: "Majors", symbols: ["sim:BTC-USD", "sim:*"] }, { name: "New", symbols: [] }],
  };
  expect(savePrefs(() => store, prefs)).toBe(true);
  expect(loadPrefs(() => store)).toEqual(prefs);
});

test.each([
  "not JSON", "null", "7", "[]", '{"cadenceMs":17,"ceiling":12345,"intervalS":61,"pages":"all","shown":"x","listShare":-4}', '{"pages":[],"shown":3,"flow":1}',
  '{"pages":[7,null,{"name":" "},{"symbols":[]}],"shown":2}',
])("foreign content %s is passed over", (text) => expect(loadPrefs(() => storage(text))).toEqual(DEFAULTS));

test("what is right of it is kept, within bounds", () => {
  const text = JSON.stringify({ cadenceMs: 500, pages: [{ name: ` ${"n".repeat(40)} `, symbols: ["sim:BTC-USD", 5, "nonsense", null] }, 3], shown: 1 });
  expect(loadPrefs(() => storage(text))).toEqual({ ...DEFAULTS, cadenceMs: 500, pages: [{ name: "n".repeat(24), symbols: ["sim:BTC-USD"] }] });
  const many = JSON.stringify({ pages: Array.from({ length: 99 }, (_, i) => ({ name: `p${i}`, symbols: Array.from({ length: 999 }, (_, n) => `sim:S${n}`) })) });
  const { pages } = loadPrefs(() => storage(many));
  expect([pages.length, pages[0]!.symbols!.length]).toEqual([20, 200]);
});

test("a browser that forbids storage is no obstacle", () => {
  const forbidden = () => { throw new DOMException("denied", "SecurityError"); };
  expect(loadPrefs(forbidden)).toEqual(DEFAULTS);
  expect(savePrefs(forbidden, DEFAULTS)).toBe(false);
});

test("the look is kept apart, for all pages of a server", () => {
  const held = new Map<string, string>();
  const store = () => ({ getItem: (key: string) => held.get(key) ?? null, setItem: (key: string, value: string) => void held.set(key, value) }) as unknown as Storage;
  expect(loadLook(store)).toEqual({ theme: "auto", palette: "blue-orange", density: "regular" });
  expect(saveLook(store, { theme: "light", palette: "red-up", density: "compact" })).toBe(true);
  expect(loadLook(store)).toEqual({ theme: "light", palette: "red-up", density: "compact" });
  held.set("feedd.look", '{"theme":"pink","palette":3,"density":"compact"}');
  expect(loadLook(store)).toEqual({ theme: "auto", palette: "blue-orange", density: "compact" });
});
