import { AGAIN_MS, HttpSocket } from './http.js';
import { Delimited } from './messages.js';

/** One answer that never ends brings what the server has to say; what the client says are requests of their own. */
export class StreamSocket extends HttpSocket {
  #saying = false;

  protected async run(): Promise<void> {
    const response = await this.open();
    if (response === undefined) return;
    const { body } = response;
    if (body === null) return this.end(1006, 'an answer without a body');
    this.more();
    const reader = body.getReader();
    const messages = new Delimited();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return this.end(1006, 'the answer ended');
      for (const message of messages.push(value)) this.hear(message);
    }
  }

  protected more(): void {
    if (this.#saying || this.secret === undefined) return;
    this.#saying = true;
    // What is said in one go is one request.
    queueMicrotask(() => void this.#say().finally(() => (this.#saying = false)));
  }

  /** Brings out what waits, one request after the other, each until it is there. */
  async #say(): Promise<void> {
    for (let batch = this.take(); batch !== undefined && !this.ended; ) {
      let response: Response | undefined;
      try {
        response = await this.post(`${this.address}/${this.secret}?send=${batch.number}`, batch.body);
      } catch {
        // It may have arrived, or not: under its number it can go again.
      }
      if (response?.ok) batch = this.take();
      else if (response?.status === 410) return; // it ends, and its last message says why
      else if (response !== undefined && response.status < 500 && response.status !== 429) return this.refused(response);
      else await this.wait(AGAIN_MS);
    }
  }
}
