import type { Client, ConnectionState, StateEvent } from "@feedd/client";
import { announce } from "../ui/announce.ts";
import { byId, make, setAttribute, TextCell } from "../ui/dom.ts";
import { duration, NONE } from "../ui/format.ts";

const WORDS: Record<ConnectionState | "paused", string> = {
  idle: "Starting", connecting: "Connecting", live: "Live", stalled: "Stalled", reconnecting: "Reconnecting",
  closed: "Closed", paused: "Paused",
};

const TONES: Partial<Record<ConnectionState | "paused", string>> = {
  live: "good", connecting: "warn", stalled: "warn", paused: "warn", reconnecting: "bad", closed: "bad",
};

const WHY: Partial<Record<ConnectionState | "paused", string>> = {
  stalled: "Nothing was heard of the server for a while. Prices may be old.",
  reconnecting: "The prices below are from before the connection was lost.",
  closed: "The server ended the connection for good.",
  paused: "Prices stand still until you go on.",
};

const TRANSPORTS: Record<NonNullable<Client["transport"]>, string> = {
  webtransport: "WebTransport, protobuf", websocket: "WebSocket, protobuf", stream: "HTTP streaming, protobuf", poll: "HTTP polls, protobuf",
};

/** The pill and the banner: whether what the page shows is live, and what happens next if not. */
export class Connection {
  readonly #pill = new TextCell(byId("pill-text", HTMLElement));
  readonly #dot = byId("pill-dot", HTMLElement);
  readonly #banner = byId("banner", HTMLElement);
  readonly #what = new TextCell(byId("banner-what", HTMLElement));
  readonly #why = new TextCell(byId("banner-why", HTMLElement));
  readonly #when = new TextCell(byId("banner-when", HTMLElement));
  readonly #act = byId("banner-act", HTMLButtonElement);
  readonly #facts = new Map<string, TextCell>();
  #last: StateEvent | undefined;
  #retryAtMs: number | undefined;
  #paused = false;
  #leaving: string | undefined;

  constructor(
    private readonly feed: Client,
    address: string,
    private readonly goOn: () => void,
  ) {
    const more = byId("pill-more", HTMLElement);
    for (const [name, text] of Object.entries({ State: "", Session: "", Server: address, Transport: NONE, "Round trip": "", "Clock offset": "" })) {
      const value = make("dd");
      more.append(make("div", {}, make("dt", {}, name), value));
      const cell = new TextCell(value);
      cell.set(text);
      this.#facts.set(name, cell);
    }
    feed.on("state", (event) => this.#changed(event));
    feed.on("goaway", (event) => {
      this.#leaving = event.reason || "the server is going away";
      this.draw();
    });
    this.#act.addEventListener("click", () => this.#acted());
    this.draw();
  }

  set paused(paused: boolean) {
    this.#paused = paused;
    announce(paused ? "Paused" : WORDS[this.feed.state]);
    this.draw();
  }

  /** Draws state, countdown and round trip; called on changes and four times a second. */
  draw(): void {
    const { state } = this.feed;
    const shown = state === "live" && this.#paused ? "paused" : state;
    setAttribute(document.body, "data-feed", shown);
    const { transport } = this.feed;
    // Whoever wonders why it is slower here sees at once that WebSockets are blocked.
    this.#pill.set(WORDS[shown] + (shown === "live" && (transport === "stream" || transport === "poll") ? " over HTTP" : ""));
    setAttribute(this.#dot, "data-tone", TONES[shown] ?? "");
    this.#fact("State", WORDS[state] + (this.#leaving === undefined ? "" : `, ${this.#leaving}`));
    this.#fact("Transport", transport === undefined ? NONE : TRANSPORTS[transport]);
    this.#fact("Session", this.feed.session ?? NONE);
    this.#fact("Round trip", duration(this.feed.latency.rttMs));
    this.#fact("Clock offset", duration(this.feed.latency.clockOffsetMs));
    this.#drawBanner(shown);
  }

  #changed(event: StateEvent): void {
    this.#last = event;
    this.#retryAtMs = event.retryInMs === undefined ? undefined : Date.now() + event.retryInMs;
    if (event.state === "live") this.#leaving = undefined;
    if (event.state !== event.previous) announce(WORDS[event.state]);
    this.draw();
  }

  #drawBanner(shown: ConnectionState | "paused"): void {
    const why = WHY[shown];
    this.#banner.hidden = why === undefined;
    if (why === undefined) return;
    setAttribute(this.#banner, "data-tone", shown === "paused" || shown === "stalled" ? "warn" : "bad");
    const reason = shown === "closed" || shown === "reconnecting" ? this.#last?.reason : undefined;
    this.#what.set(shown === "reconnecting" && this.#leaving !== undefined ? `Reconnecting: ${this.#leaving}.` : `${WORDS[shown]}.`);
    this.#why.set(reason ? `${why} (${reason})` : why);
    const waitMs = this.#retryAtMs === undefined ? 0 : this.#retryAtMs - Date.now();
    this.#when.set(shown !== "reconnecting" ? "" : waitMs > 0 ? `Next attempt in ${Math.ceil(waitMs / 1000)} s.` : "Trying now.");
    const act = shown === "paused" ? "Go on" : shown === "closed" ? "Connect again" : "Retry now";
    if (this.#act.textContent !== act) this.#act.textContent = act;
    this.#act.hidden = shown === "stalled";
  }

  #acted(): void {
    if (this.feed.state === "reconnecting") this.feed.reconnectNow();
    else if (this.feed.state === "closed") this.feed.connect();
    else this.goOn();
  }

  #fact(name: string, text: string): void {
    this.#facts.get(name)?.set(text);
  }
}
