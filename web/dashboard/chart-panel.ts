import type { BarRow, BarStore, Client } from "@feedd/client";
import { formatPrice, formatSize } from "@feedd/client";
import { Candles } from "./candles.ts";
import { Chart } from "./chart.ts";
import { byId, make, setAttribute, TextCell } from "../ui/dom.ts";
import { compactDecimal, group } from "../ui/format.ts";
import type { Frame } from "../ui/frame.ts";
import { intervalLabel, INTERVALS } from "./intervals.ts";
import type { Row } from "./row.ts";

const HISTORY = 500;
/** Bars change no faster than that on the screen. */
const FASTEST_MS = 250;
/** A pixel of the last minute is a fraction of a second: it need not be drawn in every frame. */
const TICK_MS = 100;

/** The chart of the focused symbol: candles of a chosen length, or its last minute. */
export class ChartPanel {
  readonly #panel = byId("chart-panel", HTMLElement);
  readonly #note = byId("chart-note", HTMLElement);
  readonly #legend = byId("chart-legend", HTMLElement);
  readonly #facts = new Map<string, TextCell>();
  readonly #inputs = new Map<number, HTMLInputElement>();
  readonly #minute = new Chart(byId("chart", HTMLCanvasElement));
  readonly #candles: Candles;
  #store: BarStore | undefined;
  #row: Row | undefined;
  #seconds: number;
  #minuteDrawnMs = -Infinity;

  // Since the last frame.
  #reset = false;
  /** Bars are another symbol's or another length's: the view moves to the newest. */
  #fit = false;
  #changed: BarRow[] = [];
  #pointedS: number | undefined;
  #legendDirty = false;

  constructor(
    private readonly feed: Client,
    private readonly frame: Frame,
    private cadenceMs: number,
    seconds: number,
    private readonly chosen: (seconds: number) => void,
  ) {
    this.#seconds = seconds;
    this.#candles = new Candles(byId("candles", HTMLElement), (startS) => {
      this.#pointedS = startS;
      this.#legendDirty = true;
      this.frame.request();
    });
    for (const value of INTERVALS) {
      const input = make("input", { type: "radio", name: "interval", value: String(value) });
      input.checked = value === seconds;
      input.addEventListener("change", () => this.#choose(value));
      this.#inputs.set(value, input);
      byId("intervals", HTMLElement).append(make("label", {}, input, intervalLabel(value)));
    }
    for (const name of ["O", "H", "L", "C", "V", "Trades"]) {
      const value = make("b");
      this.#legend.append(make("span", {}, name, " ", value), " ");
      this.#facts.set(name, new TextCell(value));
    }
    frame.add((nowMs) => this.#draw(nowMs));
    this.#arrange();
  }

  show(row: Row | undefined): void {
    if (row === this.#row) return;
    this.#row = row;
    this.#open();
  }

  setRate(cadenceMs: number): void {
    this.cadenceMs = cadenceMs;
    this.#store?.setRate(Math.max(FASTEST_MS, cadenceMs));
  }

  /** Goes along the lengths: 1 is the next longer one. */
  step(by: 1 | -1): void {
    const next = INTERVALS[INTERVALS.indexOf(this.#seconds) + by];
    if (next === undefined) return;
    this.#inputs.get(next)!.checked = true;
    this.#choose(next);
  }

  restyle(): void {
    this.#minute.restyle();
    this.#minuteDrawnMs = -Infinity;
    this.#candles.restyle();
    this.#reset = true; // volumes have colours of their own
  }

  /** The newest bar as the legend shows it, and how many there are. */
  text(): { bars: number; legend: Record<string, string>; note: string } {
    return {
      bars: this.#bars().length, legend: Object.fromEntries([...this.#facts].map(([name, cell]) => [name, cell.text])),
      note: this.#note.hidden ? "" : this.#note.textContent!,
    };
  }

  #choose(seconds: number): void {
    if (seconds === this.#seconds) return;
    this.#seconds = seconds;
    this.#arrange();
    this.#open();
    this.chosen(seconds);
  }

  #arrange(): void {
    setAttribute(this.#panel, "data-view", this.#seconds === 0 ? "tick" : "candles");
  }

  #open(): void {
    this.#store?.close();
    this.#store = undefined;
    this.#changed = [];
    this.#reset = this.#fit = true;
    this.#minuteDrawnMs = -Infinity;
    this.frame.request();
    const symbol = this.#row?.symbol;
    this.#explain(symbol === undefined || this.#seconds === 0 ? "" : "Waiting for bars…");
    if (symbol === undefined || this.#seconds === 0) return;
    const store = this.feed.bars([symbol], { seconds: this.#seconds, history: HISTORY, cadenceMs: Math.max(FASTEST_MS, this.cadenceMs) });
    this.#store = store;
    store.onResult((_, result) => {
      if (store === this.#store) this.#explain(result.ok ? "No trades yet" : `No bars: ${result.text ?? result.code ?? "refused"}`);
    });
    store.subscribe((events) => {
      for (const event of events) {
        if (event.type === "bar") this.#changed.push(event.bar);
        else this.#reset = true;
      }
      // More at once than a glance can follow, as after a while away: all are drawn anew.
      if (this.#changed.length > 20) this.#reset = true;
      this.frame.request();
    });
  }

  #bars(): readonly BarRow[] {
    return this.#row === undefined ? [] : (this.#store?.get(this.#row.symbol) ?? []);
  }

  #draw(nowMs: number): void {
    if (this.#seconds === 0) return this.#drawMinute(nowMs);
    const changed = this.#changed;
    if (!this.#reset && changed.length === 0 && !this.#legendDirty) return;
    this.#changed = [];
    if (!this.#reset) for (const bar of changed) this.#reset ||= !this.#candles.update(bar);
    const bars = this.#bars();
    if (this.#reset) {
      this.#candles.reset(bars, this.#seconds, this.#fit);
      this.#reset = false;
      if (bars.length > 0) this.#fit = false;
    }
    if (bars.length > 0) this.#explain("");
    this.#drawLegend(bars);
  }

  #drawMinute(nowMs: number): void {
    const row = this.#row;
    if (row === undefined || nowMs - this.#minuteDrawnMs < TICK_MS) return;
    this.#minuteDrawnMs = nowMs;
    this.#minute.draw(row.past, row.trades?.get(row.symbol) ?? [], this.feed.serverNow());
  }

  /** The bar at the pointer, else the newest, in digits that are exact. */
  #drawLegend(bars: readonly BarRow[]): void {
    this.#legendDirty = false;
    const pointed = this.#pointedS;
    const bar = (pointed === undefined ? undefined : bars.findLast((b) => b.startS === pointed)) ?? bars.at(-1);
    setAttribute(this.#legend, "data-way", bar === undefined ? "" : bar.close < bar.open ? "down" : "up");
    const price = (value: number) => group(formatPrice(value, bar!.instrument));
    const texts = bar === undefined ? [] : [
      price(bar.open), price(bar.high), price(bar.low), price(bar.close), compactDecimal(formatSize(bar.volume, bar.instrument)),
      group(String(bar.trades)),
    ];
    [...this.#facts.values()].forEach((cell, i) => cell.set(texts[i] ?? ""));
    this.#legend.hidden = bar === undefined;
  }

  #explain(text: string): void {
    if (this.#note.textContent !== text) this.#note.textContent = text;
    this.#note.hidden = text === "";
  }
}
