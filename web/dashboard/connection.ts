import { watchHealth, type Client, type Health, type HealthState, type StateEvent } from "@feedd/client";
import { announce } from "../ui/announce.ts";
import { byId, make, setAttribute, TextCell } from "../ui/dom.ts";
import { age, clock, duration, NONE } from "../ui/format.ts";

/** What the page says of itself: its health, whether all or some of its instruments are suspect, or that the viewer paused it. */
type Shown = HealthState | "partly" | "paused";

/** good is a disc, warn a triangle, bad a square, and what has not begun a ring: shapes say it as colours do. */
const SAYS: Record<Shown, { word: string; tone: "" | "good" | "warn" | "bad"; why?: string }> = {
  idle: { word: "Starting", tone: "" },
  connecting: { word: "Connecting", tone: "" },
  live: { word: "Live", tone: "good" },
  syncing: { word: "Catching up", tone: "" },
  suspect: { word: "Feed suspect", tone: "warn", why: "The connection is well, but nothing new reaches it: all prices may be old." },
  partly: { word: "Partly suspect", tone: "warn", why: "Their prices may be old, and are marked. The others are live." },
  stalled: { word: "Stalled", tone: "warn", why: "Nothing was heard of the server for a while. Prices may be old." },
  reconnecting: { word: "Reconnecting", tone: "bad", why: "The prices below are from before the connection was lost." },
  closed: { word: "Closed", tone: "bad", why: "The server ended the connection for good." },
  paused: { word: "Paused", tone: "warn", why: "Prices stand still until you go on." },
};

const TRANSPORTS: Record<NonNullable<Client["transport"]>, string> = {
  webtransport: "WebTransport, protobuf", websocket: "WebSocket, protobuf", stream: "HTTP streaming, protobuf", poll: "HTTP polls, protobuf",
};

/** By when a connection that begins has told how its feed is. */
const FIRST_WORD_MS = 2_000;

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
  #health!: Health;
  #said = "";
  #retryAtMs: number | undefined;
  /** When the connection was live last. */
  #liveAtMs = 0;
  #paused = false;
  #leaving: string | undefined;

  constructor(
    private readonly feed: Client,
    address: string,
    private readonly goOn: () => void,
  ) {
    const more = byId("pill-more", HTMLElement);
    for (const [name, text] of Object.entries({ Connection: "", Feed: "", Session: "", Server: address, Transport: NONE, "Round trip": "", "Clock offset": "" })) {
      const value = make("dd");
      more.append(make("div", {}, make("dt", {}, name), value));
      const cell = new TextCell(value);
      cell.set(text);
      this.#facts.set(name, cell);
    }
    feed.on("state", (event) => this.#changed(event));
    watchHealth(feed, (health) => {
      this.#health = health;
      this.draw();
    });
    feed.on("goaway", (event) => {
      this.#leaving = event.reason || "the server is going away";
      this.draw();
    });
    this.#act.addEventListener("click", () => this.#acted());
  }

  set paused(paused: boolean) {
    this.#paused = paused;
    this.draw();
  }

  /** Draws state, countdown and round trip; called on changes and four times a second. */
  draw(): void {
    const shown = this.#shown();
    const { word, tone } = SAYS[shown];
    setAttribute(document.body, "data-feed", shown);
    const { transport } = this.feed;
    // Whoever wonders why it is slower here sees at once that WebSockets are blocked.
    this.#pill.set(word + (shown === "live" && (transport === "stream" || transport === "poll") ? " over HTTP" : ""));
    setAttribute(this.#dot, "data-tone", tone);
    this.#fact("Connection", SAYS[this.feed.state].word + (this.#leaving === undefined ? "" : `, ${this.#leaving}`));
    this.#fact("Feed", this.#feedText());
    this.#fact("Transport", transport === undefined ? NONE : TRANSPORTS[transport]);
    this.#fact("Session", this.feed.session ?? NONE);
    this.#fact("Round trip", duration(this.feed.latency.rttMs));
    this.#fact("Clock offset", duration(this.feed.latency.clockOffsetMs));
    this.#drawBanner(shown);
    this.#announce(shown);
  }

  /** The worst of all: a pause hides nothing that is wrong. */
  #shown(): Shown {
    const { state, affected, instruments } = this.#health;
    if (state === "suspect") return affected < instruments ? "partly" : "suspect";
    return this.#paused && (state === "live" || state === "syncing") ? "paused" : state;
  }

  #feedText(): string {
    const { state, affected, instruments, reason } = this.#health;
    if (state !== "suspect" && state !== "syncing") return state !== "live" || instruments === 0 ? NONE : `${instruments} instruments, all well`;
    return `${affected} of ${instruments} ${state}${reason && `, ${reason}`}`;
  }

  /** Tells of each state once, to those who listen; that rows are on their way is no news. */
  #announce(shown: Shown): void {
    if (shown === this.#said || shown === "syncing") return;
    this.#said = shown;
    const { reason } = this.#health;
    announce(SAYS[shown].word + ((shown === "suspect" || shown === "partly") && reason !== "" ? `: ${reason}` : ""));
  }

  #changed(event: StateEvent): void {
    this.#retryAtMs = event.retryInMs === undefined ? undefined : Date.now() + event.retryInMs;
    if (event.state !== "live") return;
    this.#leaving = undefined;
    this.#liveAtMs = Date.now();
  }

  #drawBanner(shown: Shown): void {
    const { tone, why } = SAYS[shown];
    this.#banner.hidden = why === undefined;
    if (why === undefined) return;
    setAttribute(this.#banner, "data-tone", tone);
    const suspect = shown === "suspect" || shown === "partly";
    const [what, when] = suspect ? this.#suspectText(shown) : this.#connectionText(shown);
    this.#what.set(what);
    this.#when.set(when);
    const { reason } = this.#health;
    const told = reason !== "" && shown !== "paused" && shown !== "stalled" ? `${why} (${reason})` : why;
    this.#why.set(suspect && this.#paused ? `${told} The page is paused as well.` : told);
    const act = shown === "closed" ? "Connect again" : shown === "reconnecting" ? "Retry now" : "Go on";
    if (this.#act.textContent !== act) this.#act.textContent = act;
    this.#act.hidden = shown === "stalled" || (suspect && !this.#paused);
  }

  /** What is wrong, and for how long it has been so. */
  #suspectText(shown: Shown): [what: string, when: string] {
    const { sinceMs, affected, instruments } = this.#health;
    const what = shown === "partly" ? `${affected} of ${instruments} instruments suspect` : SAYS[shown].word;
    // What was so when the connection began has been so for longer.
    const longer = sinceMs - this.#liveAtMs < FIRST_WORD_MS;
    return [`${what} since ${clock(sinceMs)}${longer ? " or before" : ""}.`, `For ${longer ? "at least " : ""}${age(Date.now() - sinceMs)} now.`];
  }

  /** What is wrong, and when it is tried again. */
  #connectionText(shown: Shown): [what: string, when: string] {
    const { word } = SAYS[shown];
    if (shown !== "reconnecting") return [`${word}.`, ""];
    const waitMs = this.#retryAtMs === undefined ? 0 : this.#retryAtMs - Date.now();
    return [this.#leaving === undefined ? `${word}.` : `${word}: ${this.#leaving}.`, waitMs > 0 ? `Next attempt in ${Math.ceil(waitMs / 1000)} s.` : "Trying now."];
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
