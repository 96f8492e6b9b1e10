/** Something that draws itself in the frame's flush when it is dirty. */
export type Part = (nowMs: number) => void;

/**
 * The one requestAnimationFrame of the page. Whoever changed asks for a frame; all parts then draw in one
 * flush, so that the browser computes style and layout once.
 */
export class Frame {
  readonly #parts: Part[] = [];
  #asked = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerMs = Infinity;

  /** Parts draw in the order in which they were added. */
  add(part: Part): void {
    this.#parts.push(part);
  }

  request(): void {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame((nowMs) => {
      this.#asked = false;
      this.flush(nowMs);
    });
  }

  /** Draws at once: for a hidden page, which gets no frames, and whose title is still read. */
  flush(nowMs: number): void {
    for (const part of this.#parts) part(nowMs);
  }

  /** Asks for a frame `ms` from now. Of several such wishes the earliest counts: whoever asks does so in each flush. */
  requestIn(ms: number): void {
    const atMs = performance.now() + ms;
    if (atMs >= this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = atMs;
    this.#timer = setTimeout(() => {
      this.#timerMs = Infinity;
      this.request();
    }, ms);
  }
}
