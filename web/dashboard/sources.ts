import type { Client, Quality } from "@feedd/client";
import { byId, make, TextCell } from "../ui/dom.ts";

/** Sources that the foot has room for. */
const MOST = 40;

/** The foot's list of sources, each with whether it may be believed. */
export class Sources {
  readonly #list = byId("sources", HTMLUListElement);
  readonly #shown = new Map<string, { item: HTMLLIElement; text: TextCell }>();

  constructor(feed: Client) {
    feed.on("source", (event) => this.#show(event.source, event.quality, event.reason));
  }

  #show(source: string, quality: Quality, reason: string): void {
    let shown = this.#shown.get(source);
    if (shown === undefined) {
      if (this.#shown.size >= MOST) return;
      const item = make("li");
      shown = { item, text: new TextCell(item) };
      this.#shown.set(source, shown);
      this.#list.append(item);
    }
    shown.item.dataset["quality"] = quality;
    shown.text.set(quality === "ok" ? source : `${source}: ${quality}${reason === "" ? "" : `, ${reason}`}`);
  }
}
