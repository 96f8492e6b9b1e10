import { type Colours, readColours, translucent } from "../ui/colours.ts";
import { compact } from "../ui/format.ts";

/** What the scope spans. */
const SPAN_MS = 30_000;
/** Speeds in the span, four a second, and one beyond its edge. */
const POINTS = 124;
/** Frames that are marked: at 20 ms, the last half minute has 1,500. */
const BEATS = 2_048;
const MARKS = 8;
/** Pixels below the curves for the beats. */
const BEAT_PX = 5;
/** Room above them for words. */
const HEAD_PX = 13;

const COLOURS = ["text", "soft", "line", "accent"] as const;

/**
 * The last half minute of the connection: all ticks as a hatched hill, the rows that came of them as a solid one before
 * it, so that what is seen of the hatching is what was merged. Below, a mark for each frame; a line for each change of rate.
 */
export class Scope {
  readonly #context: CanvasRenderingContext2D | null;
  #colours: Colours<(typeof COLOURS)[number]> | undefined;
  #hatch: CanvasPattern | null = null;
  #width = 0;
  #height = 0;

  // Rings, newest at #next - 1.
  readonly #times = new Float64Array(POINTS);
  readonly #ticks = new Float64Array(POINTS);
  readonly #rows = new Float64Array(POINTS);
  #next = 0;
  #count = 0;
  readonly #beats = new Float64Array(BEATS);
  #beatNext = 0;
  #beatCount = 0;
  readonly #marks: { atMs: number; text: string }[] = [];
  #top = 1;

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

  /** Whether it has a place on the screen. */
  get visible(): boolean {
    return this.#width > 0 && this.#height > 0;
  }

  /** The look changed: colours are read again. */
  restyle(): void {
    this.#colours = undefined;
  }

  /** Speeds per second now. */
  add(nowMs: number, ticks: number, rows: number): void {
    this.#times[this.#next] = nowMs;
    this.#ticks[this.#next] = ticks;
    this.#rows[this.#next] = rows;
    this.#next = (this.#next + 1) % POINTS;
    this.#count = Math.min(POINTS, this.#count + 1);
  }

  /** A frame, or several, arrived. */
  beat(nowMs: number): void {
    this.#beats[this.#beatNext] = nowMs;
    this.#beatNext = (this.#beatNext + 1) % BEATS;
    this.#beatCount = Math.min(BEATS, this.#beatCount + 1);
  }

  /** Another rate was chosen. */
  mark(nowMs: number, text: string): void {
    this.#marks.push({ atMs: nowMs, text });
    if (this.#marks.length > MARKS) this.#marks.shift();
  }

  draw(nowMs: number): void {
    const g = this.#context;
    if (g === null || !this.visible) return;
    const colours = this.#colours ??= this.#style(g);
    const [width, height] = [this.#width, this.#height];
    const foot = height - BEAT_PX - 2;
    g.clearRect(0, 0, width, height);
    const x = (t: number) => width - ((nowMs - t) / SPAN_MS) * width;
    let most = 1;
    for (let i = 0; i < this.#count; i++) most = Math.max(most, this.#ticks[i]!);
    // The scale grows at once and shrinks slowly, so that a drag changes the hills and not the scale.
    this.#top = most > this.#top ? most : this.#top + (most - this.#top) * 0.02;
    const y = (v: number) => foot - (v / this.#top) * (foot - HEAD_PX);

    g.fillStyle = translucent(colours.line, 1);
    g.fillRect(0, foot, width, 1);
    this.#hill(g, this.#ticks, x, y, foot, translucent(colours.text, 0.05), translucent(colours.text, 0.5));
    if (this.#hatch !== null) this.#hill(g, this.#ticks, x, y, foot, this.#hatch);
    this.#hill(g, this.#rows, x, y, foot, colours.accent);

    g.fillStyle = translucent(colours.accent, 0.75);
    for (let i = 0; i < this.#beatCount; i++) {
      const at = x(this.#beats[i]!);
      if (at >= 0) g.fillRect(at - 0.5, foot + 3, 1, BEAT_PX - 1);
    }

    g.font = `10px ${getComputedStyle(this.canvas).fontFamily}`;
    g.textBaseline = "top";
    for (const { atMs, text } of this.#marks) {
      const at = Math.round(x(atMs)) + 0.5;
      if (at < 0) continue;
      g.strokeStyle = translucent(colours.text, 0.6);
      g.setLineDash([2, 2]);
      g.beginPath();
      g.moveTo(at, HEAD_PX - 1);
      g.lineTo(at, foot);
      g.stroke();
      g.setLineDash([]);
      g.fillStyle = colours.text;
      g.fillText(text, Math.min(Math.max(0, at - g.measureText(text).width / 2), width - g.measureText(text).width), 0);
    }
    if (this.#count > 1 && this.#marks.every(({ atMs }) => x(atMs) < 0 || x(atMs) > 60)) {
      g.fillStyle = colours.soft;
      g.fillText(`${compact(this.#top)}/s`, 0, 0);
    }
  }

  #hill(g: CanvasRenderingContext2D, values: Float64Array, x: (t: number) => number, y: (v: number) => number, foot: number, fill: string | CanvasPattern, line?: string): void {
    if (this.#count === 0) return;
    const at = (i: number) => (this.#next + POINTS - this.#count + i) % POINTS;
    g.beginPath();
    g.moveTo(x(this.#times[at(0)]!), y(values[at(0)]!));
    for (let i = 1; i < this.#count; i++) g.lineTo(x(this.#times[at(i)]!), y(values[at(i)]!));
    g.lineTo(this.#width, y(values[at(this.#count - 1)]!));
    if (line !== undefined) {
      g.strokeStyle = line;
      g.lineWidth = 1;
      g.stroke();
    }
    g.lineTo(this.#width, foot);
    g.lineTo(x(this.#times[at(0)]!), foot);
    g.closePath();
    g.fillStyle = fill;
    g.fill();
  }

  #style(g: CanvasRenderingContext2D): Colours<(typeof COLOURS)[number]> {
    const colours = readColours(this.canvas.parentElement!, COLOURS);
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6;
    const t = tile.getContext("2d");
    if (t !== null) {
      t.strokeStyle = translucent(colours.text, 0.3);
      t.beginPath();
      for (const shift of [-6, 0, 6]) {
        t.moveTo(shift - 1, 7);
        t.lineTo(shift + 7, -1);
      }
      t.stroke();
      this.#hatch = g.createPattern(tile, "repeat");
    }
    return colours;
  }
}
