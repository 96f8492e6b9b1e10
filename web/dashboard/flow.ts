import { byId, TextCell } from "../ui/dom.ts";
import { byteRate, compact, group } from "../ui/format.ts";
import type { Frame } from "../ui/frame.ts";
import { Slider } from "../ui/slider.ts";
import { CEILINGS, ceilingLabel } from "./ceilings.ts";
import { cadenceLabel } from "./ladder.ts";
import type { Latency } from "./latency.ts";
import { Scope } from "./scope.ts";
import type { Traffic } from "./traffic.ts";
import { Way } from "./way.ts";

/** Between two pictures of the scope, which then moves by less than two pixels. */
const SCOPE_MS = 50;
/** The same for those who want less motion. */
const STILL_MS = 1_000;

/** As short as fits below the slider. */
function mark(bytesPerSecond: number): string {
  return bytesPerSecond === 0 ? "none" : `${bytesPerSecond / 1000}k`;
}

/** What merging does, live: how many ticks there are, how few rows they become, and how long a tick's way takes. */
export class Flow {
  readonly #panel = byId("flow", HTMLElement);
  readonly #scope = new Scope(byId("scope", HTMLCanvasElement));
  readonly #way: Way;
  readonly #ticks = new TextCell(byId("ticks", HTMLElement));
  readonly #rows = new TextCell(byId("rows-rate", HTMLElement));
  readonly #bytes = new TextCell(byId("bytes-rate", HTMLElement));
  readonly #merged = new TextCell(byId("merged", HTMLElement));
  readonly #share = new TextCell(byId("merged-share", HTMLElement));
  readonly #since = new TextCell(byId("since", HTMLElement));
  readonly #use = new TextCell(byId("ceiling-use", HTMLElement));
  readonly #ceiling: Slider<number>;
  readonly #still = matchMedia("(prefers-reduced-motion: reduce)");
  #frames = 0;
  #scopeDrawnMs = -Infinity;

  constructor(private readonly feed: { readonly traffic: { readonly frames: number } }, private readonly traffic: Traffic, latency: Latency, private readonly frame: Frame, private cadenceMs: number, ceiling: number, chosen: (ceiling: number) => void) {
    this.#ceiling = new Slider("ceiling", CEILINGS.map((bytes) => ({ value: bytes, mark: mark(bytes), said: ceilingLabel(bytes) })), CEILINGS.indexOf(ceiling), chosen);
    this.#way = new Way(latency);
    frame.add((nowMs) => this.#drawScope(nowMs));
  }

  get open(): boolean {
    return !this.#panel.hidden;
  }

  set open(open: boolean) {
    this.#panel.hidden = !open;
  }

  /** Another rate was chosen. */
  choseRate(cadenceMs: number, nowMs: number): void {
    this.cadenceMs = cadenceMs;
    this.#scope.mark(nowMs, cadenceLabel(cadenceMs));
  }

  /** Another ceiling was chosen. */
  choseCeiling(nowMs: number): void {
    this.#scope.mark(nowMs, this.#ceiling.value === 0 ? "no ceiling" : ceilingLabel(this.#ceiling.value));
  }

  /** Goes along the ceilings: 1 is a lower one. */
  stepCeiling(by: 1 | -1): void {
    this.#ceiling.step(by);
  }

  restyle(): void {
    this.#scope.restyle();
  }

  /** Draws the figures; four times a second. */
  draw(nowMs: number): void {
    const { rows, conflated, bytes, lost } = this.traffic.perSecond;
    const ticks = rows + conflated + lost;
    if (this.traffic.known) this.#scope.add(nowMs, ticks, rows);
    if (!this.open) return;
    this.#ticks.set(compact(ticks));
    this.#rows.set(compact(rows));
    this.#bytes.set(byteRate(bytes));
    this.#merged.set(compact(conflated));
    this.#share.set(`${ticks > 0 ? Math.round((100 * conflated) / ticks) : 0} %`);
    const [came, merged, missed] = [this.traffic.since("rows"), this.traffic.since("conflated"), this.traffic.since("lost")];
    const below = this.#ceiling.value;
    this.#use.set(below === 0 ? "" : `${byteRate(bytes)} used`);
    this.#since.set(`At ${cadenceLabel(this.cadenceMs)}${below === 0 ? "" : `, below ${ceilingLabel(below)}`}: ${group(String(came + merged))} ticks came in ${group(String(came))} rows, ${group(String(merged))} of them merged${missed === 0 ? "" : `; ${group(String(missed))} ${missed === 1 ? "trade" : "trades"} lost`}`);
    this.#way.draw();
  }

  /** Runs in every flush, which each frame from the server brings about. */
  #drawScope(nowMs: number): void {
    const { frames } = this.feed.traffic;
    if (frames !== this.#frames) this.#scope.beat(nowMs);
    this.#frames = frames;
    if (!this.open || !this.#scope.visible || document.hidden) return;
    const every = this.#still.matches ? STILL_MS : SCOPE_MS;
    if (nowMs - this.#scopeDrawnMs >= every) {
      this.#scopeDrawnMs = nowMs;
      this.#scope.draw(nowMs);
    }
    if (document.body.dataset["feed"] === "live") this.frame.requestIn(every);
  }
}
