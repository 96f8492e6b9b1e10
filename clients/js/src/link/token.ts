import { FeedError } from '../errors.js';
import type { Clock, GetToken, TokenRequest } from '../types.js';

const TIMEOUT_MS = 20_000;

/** Asks the application for tokens, one question at a time. */
export class Tokens {
  #asking: AbortController | undefined;
  #timer: unknown;
  readonly #getToken: GetToken;
  readonly #clock: Clock;

  constructor(getToken: GetToken, clock: Clock) {
    this.#getToken = getToken;
    this.#clock = clock;
  }

  get asking(): boolean {
    return this.#asking !== undefined;
  }

  /** One of the two is called, once and never before this returns, unless forget() or another ask() comes first. */
  ask(reason: TokenRequest['reason'], got: (token: string) => void, failed: (e: FeedError) => void): void {
    this.forget();
    const asking = (this.#asking = new AbortController());
    const settle = (then: () => void) => {
      if (this.#asking !== asking) return;
      this.#asking = undefined;
      this.#clock.clearTimeout(this.#timer);
      then();
    };
    const fail = (text: string, cause?: unknown) => settle(() => failed(new FeedError('token', text, true, { cause })));
    this.#timer = this.#clock.setTimeout(() => {
      asking.abort();
      fail(`getToken gave nothing within ${TIMEOUT_MS / 1000} s`);
    }, TIMEOUT_MS);
    // Within the promise, so that one that throws at once is like one that rejects.
    new Promise<string | null>((resolve) => resolve(this.#getToken({ reason, signal: asking.signal }))).then(
      (token) => settle(() => (token ? got(token) : failed(new FeedError('unauthenticated', 'getToken gave no token: nobody is signed in')))),
      (cause) => fail(`getToken failed: ${String(cause)}`, cause),
    );
  }

  /** Whatever is answered now is not heard. */
  forget(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = undefined;
  }
}
