import { expect, test } from "vitest";
import { loadPrefs, savePrefs, type Prefs } from "../src/prefs.ts";

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

const DEFAULTS: Prefs = { theme: "auto", palette: "blue-orange", cadenceMs: 100, intervalS: 1, symbols: [] };

test("a first visit gets the defaults", () => expect(loadPrefs(() => storage())).toEqual(DEFAULTS));

test("what was saved comes back", () => {
  const store = storage();
  const prefs: Prefs = { theme: "light", palette: "red-up", cadenceMs: 2000, intervalS: 3600, symbols: ["sim:BTC-USD", "sim:*"] };
  expect(savePrefs(() => store, prefs)).toBe(true);
  expect(loadPrefs(() => store)).toEqual(prefs);
});

test.each(["not JSON", "null", "7", "[]", '{"theme":"pink","palette":3,"cadenceMs":17,"intervalS":61,"symbols":"all"}'])(
  "foreign content %s is passed over", (text) => expect(loadPrefs(() => storage(text))).toEqual(DEFAULTS));

test("what is right of it is kept", () => {
  const text = '{"theme":"dark","symbols":["sim:BTC-USD",5,"nonsense",null]}';
  expect(loadPrefs(() => storage(text))).toEqual({ ...DEFAULTS, theme: "dark", symbols: ["sim:BTC-USD"] });
});

test("a browser that forbids storage is no obstacle", () => {
  const forbidden = () => { throw new DOMException("denied", "SecurityError"); };
  expect(loadPrefs(forbidden)).toEqual(DEFAULTS);
  expect(savePrefs(forbidden, DEFAULTS)).toBe(false);
});
