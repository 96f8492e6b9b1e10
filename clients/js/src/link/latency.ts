/** Round trip and clock offset from pings. The quickest of the last few is the one least distorted. */

const KEPT = 8;

interface Sample {
  rttMs: number;
  offsetMs: number;
}

export class Latency {
  #samples: Sample[] = [];

  /** All three in milliseconds; sent and received on the client's clock. An impossible answer is ignored. */
  add(sentMs: number, receivedMs: number, serverMs: number): void {
    const rttMs = receivedMs - sentMs;
    if (!(rttMs >= 0)) return;
    this.#samples.push({ rttMs, offsetMs: serverMs - (sentMs + receivedMs) / 2 });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  /** After a sleep or a change of server, old samples say nothing. */
  forget(): void {
    this.#samples = [];
  }

  get count(): number {
    return this.#samples.length;
  }

  get best(): Sample | undefined {
    let best: Sample | undefined;
    for (const s of this.#samples) if (best === undefined || s.rttMs < best.rttMs) best = s;
    return best;
  }
}
