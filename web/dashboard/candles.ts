import type { BarRow, Instrument } from "@feedd/client";
import { formatPrice } from "@feedd/client";
import {
  type CandlestickData, type HistogramData, type IChartApi, type ISeriesApi, type UTCTimestamp, CandlestickSeries, ColorType,
  createChart, HistogramSeries, TickMarkType,
} from "lightweight-charts";
import { readColours, translucent } from "../ui/colours.ts";
import { group } from "../ui/format.ts";

const COLOURS = ["ground", "line", "soft", "text", "up", "down", "accent"] as const;
const DAY_S = 86_400;
/** Bars that are drawn before the oldest are let go, of which the store keeps 1,500: a chart of seconds runs for days. */
const MOST = 2_000;

/**
 * Candles with their volumes. Prices become floating-point numbers here and nowhere before: a pixel needs no more. What
 * is written is made of the whole numbers.
 */
export class Candles {
  readonly #chart: IChartApi;
  readonly #prices: ISeriesApi<"Candlestick">;
  readonly #volumes: ISeriesApi<"Histogram">;
  #colours = { up: "", down: "" };
  #instrument: Instrument | undefined;
  #seconds = 60;
  /** Start of the newest bar that is drawn. */
  #newestS = -Infinity;
  #count = 0;

  /** pointed is told which bar the pointer is at, by its start; undefined: none. */
  constructor(private readonly box: HTMLElement, pointed: (startS: number | undefined) => void) {
    this.#chart = createChart(box, {
      autoSize: true,
      // The logo would write a style into the page, which its security policy forbids: the link stands beside the chart.
      layout: { attributionLogo: false, fontSize: 11, fontFamily: getComputedStyle(box).fontFamily },
      timeScale: { timeVisible: true, rightOffset: 4, tickMarkFormatter: (time: UTCTimestamp, type: TickMarkType) => this.#tick(time, type) },
      localization: { timeFormatter: (time: UTCTimestamp) => this.#moment(time) },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.24 } },
    });
    this.#prices = this.#chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.#volumes = this.#chart.addSeries(HistogramSeries, { priceScaleId: "", priceLineVisible: false, lastValueVisible: false });
    this.#volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#chart.subscribeCrosshairMove(({ time }) => pointed(time as number | undefined));
    this.restyle();
  }

  /** The look changed. */
  restyle(): void {
    const c = readColours(this.box.parentElement!, COLOURS);
    this.#colours = { up: c.up, down: c.down };
    this.#chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: c.ground }, textColor: c.soft },
      grid: { vertLines: { color: translucent(c.line, 0.5) }, horzLines: { color: translucent(c.line, 0.5) } },
      rightPriceScale: { borderColor: c.line },
      timeScale: { borderColor: c.line },
      crosshair: {
        vertLine: { color: c.soft, labelBackgroundColor: c.soft },
        horzLine: { color: c.soft, labelBackgroundColor: c.soft },
      },
    });
    this.#prices.applyOptions({ upColor: c.up, downColor: c.down, wickUpColor: c.up, wickDownColor: c.down });
  }

  /** Draws other bars: another symbol's, another length's, or the same after a gap. `fit` shows the newest of them. */
  reset(bars: readonly BarRow[], seconds: number, fit: boolean): void {
    this.#seconds = seconds;
    const last = bars.at(-1);
    this.#newestS = last?.startS ?? -Infinity;
    this.#count = bars.length;
    this.#chart.applyOptions({ timeScale: { timeVisible: seconds < DAY_S, secondsVisible: seconds < 60 } });
    if (last !== undefined) this.#format(last.instrument);
    this.#prices.setData(bars.map((bar) => this.#candle(bar)));
    this.#volumes.setData(bars.map((bar) => this.#volume(bar)));
    if (fit) this.#chart.timeScale().applyOptions({ barSpacing: 7 });
    if (fit) this.#chart.timeScale().scrollToRealTime();
  }

  /** Draws the newest bar, or one that follows it. False: it takes a reset, being older or one too many. */
  update(bar: BarRow): boolean {
    if (bar.startS < this.#newestS || this.#count > MOST) return false;
    if (bar.startS > this.#newestS) this.#count++;
    this.#newestS = bar.startS;
    this.#format(bar.instrument);
    this.#prices.update(this.#candle(bar));
    this.#volumes.update(this.#volume(bar));
    return true;
  }

  #format(instrument: Instrument): void {
    if (instrument === this.#instrument) return;
    this.#instrument = instrument;
    const unit = 10 ** instrument.priceScale;
    this.#prices.applyOptions({
      priceFormat: {
        type: "custom",
        minMove: Math.max(1, instrument.priceStep) / unit,
        formatter: (price: number) => group(formatPrice(Math.round(price * unit), instrument)),
      },
    });
  }

  #candle(bar: BarRow): CandlestickData {
    const unit = 10 ** bar.instrument.priceScale;
    return {
      time: bar.startS as UTCTimestamp, open: bar.open / unit, high: bar.high / unit, low: bar.low / unit, close: bar.close / unit,
    };
  }

  #volume(bar: BarRow): HistogramData {
    const color = translucent(bar.close < bar.open ? this.#colours.down : this.#colours.up, 0.38);
    return { time: bar.startS as UTCTimestamp, value: bar.volume / 10 ** bar.instrument.sizeScale, color };
  }

  /** A mark on the axis, in the viewer's zone but for days, which are the instrument's. */
  #tick(time: UTCTimestamp, type: TickMarkType): string {
    const at = new Date(time * 1000);
    const zone = this.#seconds >= DAY_S ? { timeZone: "UTC" } : {};
    if (type === TickMarkType.Year) return at.toLocaleDateString("en-GB", { year: "numeric", ...zone });
    if (type === TickMarkType.Month) return at.toLocaleDateString("en-GB", { month: "short", ...zone });
    if (type === TickMarkType.DayOfMonth) return at.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...zone });
    return at.toLocaleTimeString("en-GB", type === TickMarkType.TimeWithSeconds ? {} : { hour: "2-digit", minute: "2-digit" });
  }

  #moment(time: UTCTimestamp): string {
    const at = new Date(time * 1000);
    if (this.#seconds >= DAY_S) return at.toLocaleDateString("en-GB", { timeZone: "UTC" });
    return at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", ...(this.#seconds < 60 && { second: "2-digit" }) });
  }
}
