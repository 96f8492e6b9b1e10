/** The last few values, oldest first. */
export class Window {
  readonly #values: number[] = [];

  constructor(private readonly most: number) {}

  get length(): number {
    return this.#values.length;
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.most) this.#values.shift();
  }

  values(): readonly number[] {
    return this.#values;
  }
}
