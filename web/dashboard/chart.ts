import type { TradeRow } from "@feedd/client";
import { type Colours, readColours } from "../ui/colours.ts";
import type { Past } from "./past.ts";

/** Time that the chart spans: all there is, within these two. */
const LONGEST_MS = 60_000;
const SHORTEST_MS = 10_000;

const PAD = 7;

const COLOURS = ["soft", "line", "up", "down"] as const;
type Colour = (typeof COLOURS)[number];

/** The focused symbol's last minute or less: the band between bid and ask in steps, and trades as dots. */
export class Chart {
  readonly #context: CanvasRenderingContext2D | null;
  #colours: Colours<Colour> | undefined;
  #width = 0;
  #height = 0;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.#context = canvas.getContext("2d");
    new ResizeObserver((entries) => {
      const box = entries[0]?.contentRect;
      this.#width = box?.width ?? 0;
      this.#height = box?.height ?? 0;
      const ratio = window.devicePixelRatio;
      canvas.width = Math.round(this.#width * ratio);
      canvas.height = Math.round(this.#height * ratio);
      this.#context?.setTransform(ratio, 0, 0, ratio, 0, 0);
    }).observe(canvas);
  }

  /** The look changed: colours are read again from the style sheet. */
  restyle(): void {
    this.#colours = undefined;
  }

  draw(past: Past, trades: readonly TradeRow[], nowMs: number): void {
    const g = this.#context;
    if (g === null || this.#width === 0) return;
    g.clearRect(0, 0, this.#width, this.#height);
    const earliest = nowMs - LONGEST_MS;
    const times: number[] = [], bids: number[] = [], asks: number[] = [];
    past.forEachSince(earliest, (t, bid, ask) => {
      if (Number.isNaN(bid) || Number.isNaN(ask)) return;
      times.push(t);
      bids.push(bid);
      asks.push(ask);
    });
    const dots = trades.filter((trade) => trade.ingestTimeUs / 1000 >= earliest && trade.kind !== "cancellation");
    const first = Math.min(times[0] ?? nowMs, (dots[0]?.ingestTimeUs ?? Infinity) / 1000);
    const since = Math.max(earliest, Math.min(first, nowMs - SHORTEST_MS));
    let low = Infinity, high = -Infinity;
    for (const v of bids) low = Math.min(low, v);
    for (const v of asks) high = Math.max(high, v);
    for (const trade of dots) [low, high] = [Math.min(low, trade.price), Math.max(high, trade.price)];
    if (low > high) return;
    const x = (t: number) => ((Math.max(t, since) - since) / (nowMs - since)) * this.#width;
    const y = (v: number) => high === low ? this.#height / 2 : PAD + ((high - v) / (high - low)) * (this.#height - 2 * PAD);
    const colours = this.#colours ??= readColours(this.canvas.parentElement!, COLOURS);
    this.#band(g, colours, times.map(x), bids.map(y), asks.map(y));
    for (const trade of dots) {
      g.fillStyle = trade.aggressor === "sell" ? colours.down : colours.up;
      g.fillRect(x(trade.ingestTimeUs / 1000) - 1, y(trade.price) - 1, 2.5, 2.5);
    }
  }

  /** Steps, since a price holds until the next one; the last holds until now. */
  #band(g: CanvasRenderingContext2D, colours: Colours<Colour>, xs: number[], bids: number[], asks: number[]): void {
    if (xs.length === 0) return;
    const steps = (ys: number[]) => {
      const path = new Path2D();
      path.moveTo(xs[0]!, ys[0]!);
      for (let i = 1; i < xs.length; i++) {
        path.lineTo(xs[i]!, ys[i - 1]!);
        path.lineTo(xs[i]!, ys[i]!);
      }
      path.lineTo(this.#width, ys[ys.length - 1]!);
      return path;
    };
    g.beginPath();
    g.fillStyle = colours.line;
    for (let i = 0; i < xs.length; i++) {
      const right = xs[i + 1] ?? this.#width;
      g.fillRect(xs[i]!, asks[i]!, right - xs[i]! + .5, Math.max(1, bids[i]! - asks[i]!));
    }
    g.strokeStyle = colours.soft;
    g.lineWidth = 1;
    g.stroke(steps(bids));
    g.stroke(steps(asks));
  }
}
