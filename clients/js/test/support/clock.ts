import type { Clock } from '../../src/index.js';

interface Timer {
  at: number;
  order: number;
  fn: () => void;
}

/** Time that passes when told to. */
export class FakeClock implements Clock {
  private timers: Timer[] = [];
  private order = 0;

  constructor(private time = 1_700_000_000_000) {}

  now(): number {
    return this.time;
  }

  setTimeout(fn: () => void, ms: number): Timer {
    const timer = { at: this.time + Math.max(0, ms), order: this.order++, fn };
    this.timers.push(timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.timers = this.timers.filter((t) => t !== timer);
  }

  get waiting(): number {
    return this.timers.length;
  }

  /** Lets time pass; every timer fires on time, and what it starts in microtasks runs before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      const next = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.time = Math.max(this.time, next.at);
      this.fire(next);
      await settle();
    }
    this.time = end;
    await settle();
  }

  /** Lets time pass as a sleeping machine does: timers that fell due fire once it wakes, late. */
  async sleep(ms: number): Promise<void> {
    this.time += ms;
    const due = this.timers.filter((t) => t.at <= this.time).sort((a, b) => a.at - b.at || a.order - b.order);
    for (const timer of due) if (this.timers.includes(timer)) this.fire(timer);
    await settle();
  }

  /** Someone sets the wall clock; timers run on another one and stay as far off as they were. */
  set(ms: number): void {
    this.time += ms;
    for (const timer of this.timers) timer.at += ms;
  }

  private fire(timer: Timer): void {
    this.clearTimeout(timer);
    timer.fn();
  }
}

/** Lets all microtasks run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
