/** What a flash needs of an element. */
export interface Flashable {
  classList: { add(name: string): void; remove(name: string): void };
}

interface Flash {
  on: Flashable;
  name: string;
  untilMs: number;
}

/**
 * Classes that are set for a while. Setting and clearing both happen in the one flush of a frame and no
 * animation runs, which is the cheapest way there is: browsers repaint the cells that changed and lay
 * out nothing. All flashes last equally long, so a queue in order of time is enough.
 */
export class Flashes {
  readonly #queue: Flash[] = [];
  readonly #live = new Map<Flashable, Flash>();
  readonly #durationMs: number;
  readonly #most: number;

  /** `most`: flashes at one time; where more would burn, the newest are left out, as nobody could read them. */
  constructor(durationMs: number, most: number) {
    this.#durationMs = durationMs;
    this.#most = most;
  }

  /** Sets the class, or keeps it for longer where it is set; another class that burns there goes out. */
  set(on: Flashable, name: string, nowMs: number): void {
    const live = this.#live.get(on);
    if (live === undefined && this.#live.size >= this.#most) return;
    if (live?.name !== name) {
      if (live !== undefined) on.classList.remove(live.name);
      on.classList.add(name);
    }
    const flash = { on, name, untilMs: nowMs + this.#durationMs };
    this.#live.set(on, flash);
    this.#queue.push(flash);
  }

  /** Clears what has burnt long enough. Returns when the next one is due; undefined: none burns. */
  expire(nowMs: number): number | undefined {
    let done = 0;
    for (const flash of this.#queue) {
      const renewed = this.#live.get(flash.on) !== flash;
      if (!renewed && flash.untilMs > nowMs) break;
      if (!renewed) {
        flash.on.classList.remove(flash.name);
        this.#live.delete(flash.on);
      }
      done++;
    }
    this.#queue.splice(0, done);
    return this.#queue[0]?.untilMs;
  }
}
