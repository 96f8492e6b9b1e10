/** The part of the ws package that is used here; it ships no types. */
declare module 'ws' {
  export default class WebSocket {
    constructor(url: string, protocols?: string[]);
    binaryType: string;
    readonly protocol: string;
    readonly extensions: string;
    onopen: ((event: any) => void) | null;
    onmessage: ((event: any) => void) | null;
    onerror: ((event: any) => void) | null;
    onclose: ((event: any) => void) | null;
    send(data: Uint8Array): void;
    close(code?: number, reason?: string): void;
    pause(): void;
    resume(): void;
  }
}
