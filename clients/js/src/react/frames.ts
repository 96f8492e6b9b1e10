/** Work that waits for the next animation frame, all of it together, so that React renders it in one go. */

/** Milliseconds between frames where there are none. */
const FRAME_MS = 16;

export class Frames {
  readonly #due = new Set<() => void>();

  /** Runs `work` in the next frame; once, however often it is asked for. */
  plan(work: () => void): void {
    this.#due.add(work);
    if (this.#due.size === 1) nextFrame(() => this.#run());
  }

  cancel(work: () => void): void {
    this.#due.delete(work);
  }

  #run(): void {
    const due = [...this.#due];
    this.#due.clear();
    for (const work of due) work();
  }
}

/** Frames of a hidden page do not come; nobody looks, and what is due then is bounded. */
function nextFrame(fn: () => void): void {
  if (typeof globalThis.requestAnimationFrame === 'function') globalThis.requestAnimationFrame(fn);
  else setTimeout(fn, FRAME_MS);
}
