/** Pixels of the canvas, twice those on the screen, so that nothing has to be measured to draw sharply. */
const WIDTH = 144;
const HEIGHT = 44;
const PAD = 4;

/** A line of a few dozen values without axes. Its size on the screen is the style sheet's. */
export class Sparkline {
  readonly canvas = document.createElement("canvas");
  readonly #context: CanvasRenderingContext2D | null;

  constructor() {
    this.canvas.width = WIDTH;
    this.canvas.height = HEIGHT;
    this.canvas.setAttribute("aria-hidden", "true");
    this.#context = this.canvas.getContext("2d");
  }

  /** Draws the first `count` values from left to right in a colour, and in `faint` the ground below them. */
  draw(values: ArrayLike<number>, count: number, colour: string, faint: string): void {
    const g = this.#context;
    if (g === null) return;
    g.clearRect(0, 0, WIDTH, HEIGHT);
    if (count < 2) return;
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < count; i++) {
      low = Math.min(low, values[i]!);
      high = Math.max(high, values[i]!);
    }
    const x = (i: number) => PAD + (i / (count - 1)) * (WIDTH - 2 * PAD);
    const y = (v: number) => (high > low ? PAD + ((high - v) / (high - low)) * (HEIGHT - 2 * PAD) : HEIGHT / 2);
    g.beginPath();
    g.moveTo(x(0), y(values[0]!));
    for (let i = 1; i < count; i++) g.lineTo(x(i), y(values[i]!));
    g.strokeStyle = colour;
    g.lineWidth = 2.5;
    g.lineJoin = "round";
    g.stroke();
    g.lineTo(x(count - 1), HEIGHT);
    g.lineTo(x(0), HEIGHT);
    g.closePath();
    g.fillStyle = faint;
    g.fill();
    g.beginPath();
    g.arc(x(count - 1), y(values[count - 1]!), 4, 0, 2 * Math.PI);
    g.fillStyle = colour;
    g.fill();
  }
}
