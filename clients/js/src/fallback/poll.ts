import { AGAIN_MS, type Batch, HttpSocket } from './http.js';
import { Delimited } from './messages.js';

/** Polls with nothing to say begin no more often than this. */
const PACE_MS = 250;

/** Each request brings what the client says, and waits for what the server has to say. */
export class PollSocket extends HttpSocket {
  /** Number of the last answer that arrived. */
  #after = 0;
  /** Cuts what is waited for short, when there is something to say. */
  #interrupt: () => void = () => {};

  override close(): void {
    super.close();
    this.#interrupt();
  }

  protected async run(): Promise<void> {
    const opened = await this.open();
    if (opened === undefined) return;
    await this.#heard(opened);
    let batch: Batch | undefined;
    while (!this.ended) {
      batch ??= this.take();
      const began = this.clock.now();
      const response = await this.#poll(batch);
      if (this.ended) return;
      if (response === 'interrupted') continue;
      if (response?.ok) {
        batch = undefined;
        if (response.status !== 204 && !(await this.#heard(response))) await this.wait(AGAIN_MS);
        if (!this.anything) await this.#pause(began + PACE_MS - this.clock.now());
      } else if (response !== undefined && response.status < 500 && response.status !== 429) await this.refused(response);
      else await this.wait(AGAIN_MS);
    }
  }

  protected more(): void {
    this.#interrupt();
  }

  /** undefined: it may have arrived, or not, and can go again: answers are kept until they are acknowledged, requests have numbers. */
  async #poll(batch: Batch | undefined): Promise<Response | 'interrupted' | undefined> {
    const sent = batch === undefined ? '' : `&send=${batch.number}`;
    const answer = this.post(`${this.address}/${this.secret}?after=${this.#after}${sent}`, batch?.body ?? new Uint8Array(0)).catch(() => undefined);
    if (batch !== undefined) return answer; // it says something, and so is answered soon
    const interrupted = new Promise<'interrupted'>((resolve) => (this.#interrupt = () => resolve('interrupted')));
    const first = await Promise.race([answer, interrupted]);
    this.#interrupt = () => {};
    // The server answers the one that waits once the next is there. What that answer holds is not acknowledged, and comes again.
    if (first === 'interrupted') void answer.then((response) => response?.arrayBuffer()).catch(() => {});
    return first;
  }

  /** Takes an answer in, if it arrives whole. */
  async #heard(response: Response): Promise<boolean> {
    let body: ArrayBuffer;
    try {
      body = await response.arrayBuffer();
    } catch {
      return false;
    }
    this.#after = Number(response.headers.get('Feedd-Answer'));
    for (const message of new Delimited().push(new Uint8Array(body))) this.hear(message);
    return true;
  }

  #pause(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.clock.setTimeout(resolve, ms);
      this.#interrupt = () => {
        this.clock.clearTimeout(timer);
        resolve();
      };
    });
  }
}
