import type { Grant, GrantReason } from "@feedd/client";
import { byId, setAttribute, TextCell } from "../ui/dom.ts";
import { Slider } from "../ui/slider.ts";
import { cadenceLabel, LADDER_MS } from "./ladder.ts";

/** Why a grant is not what was wished, for people. */
const REASONS: Partial<Record<GrantReason, string>> = {
  rounded: "rounded", policy: "set by policy", congestion: "slow line", hidden: "page hidden", default: "default", bandwidth: "for the ceiling",
  lag: "page busy", overload: "server busy",
};

/** As short as fits below the slider. */
function mark(ms: number): string {
  return ms === 0 ? "live" : ms < 1000 ? String(ms) : `${ms / 1000} s`;
}

/** The ladder of rates: what is wished, and what the server gives. */
export class RatePicker {
  readonly #slider: Slider<number>;
  readonly #out = byId("grant", HTMLOutputElement);
  readonly #grant = new TextCell(this.#out);
  #paced = false;

  constructor(cadenceMs: number, changed: (cadenceMs: number) => void) {
    const stops = LADDER_MS.map((ms) => ({ value: ms, mark: mark(ms), said: cadenceLabel(ms) }));
    this.#slider = new Slider("rate", stops, LADDER_MS.indexOf(cadenceMs), changed);
  }

  get cadenceMs(): number {
    return this.#slider.value;
  }

  /** Goes along the ladder: 1 is a step slower, -1 a step faster. */
  step(by: 1 | -1): void {
    this.#slider.step(by);
  }

  /** The client wishes for less than the viewer, by so many steps: this page does not keep up. */
  paced(steps: number): void {
    this.#paced = steps > 0;
  }

  drawGrant(grant: Grant | undefined): void {
    if (grant === undefined || grant.reason === "paused" || grant.reason === "stopped") {
      this.#grant.set(grant === undefined ? "" : grant.reason === "paused" ? "paused" : "stopped by operations");
      return;
    }
    const reason = this.#paced ? "page busy" : REASONS[grant.reason];
    this.#grant.set(`granted ${cadenceLabel(grant.cadenceMs)}${reason === undefined ? "" : `, ${reason}`}`);
    setAttribute(this.#out, "data-less", String(grant.cadenceMs > this.cadenceMs));
  }
}
