/** The part of the ws package that is used here; it ships no types. */
declare module 'ws' {
  const WebSocket: new (url: string, protocols: string[]) => import('../src/index.js').Socket;
  export default WebSocket;
}
