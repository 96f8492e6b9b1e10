/** What a store holds of each symbol, as arrays that stay the very same until something changes. */
export class Held<R> {
  readonly #bySymbol = new Map<string, readonly R[]>();

  get(symbol: string, make: () => readonly R[]): readonly R[] {
    let rows = this.#bySymbol.get(symbol);
    if (rows === undefined) this.#bySymbol.set(symbol, (rows = make()));
    return rows;
  }

  forget(symbol: string): void {
    this.#bySymbol.delete(symbol);
  }
}
