// A watchlist in a terminal: node examples/node-watch.mjs [URL] [SYMBOL…]   (npm run build first)
import { createClient, formatPrice, formatSize } from '@feedd/client';

const [url = 'ws://127.0.0.1:8080/v1/ws', ...symbols] = process.argv.slice(2);

// Node 22 has a WebSocket; before that the ws package lends its own.
const WebSocket = globalThis.WebSocket ?? (await import('ws')).default;
const feed = createClient({ url, WebSocket, client: 'node-watch/1' });
feed.on('state', (e) => console.error(e.state, e.reason ?? '', e.retryInMs ? `again in ${Math.round(e.retryInMs)} ms` : ''));
feed.on('error', (e) => console.error(e.message));
process.on('SIGINT', () => feed.close());

const quotes = feed.quotes(symbols.length > 0 ? symbols : ['sim:*'], { cadenceMs: 500 });
quotes.onResult((symbol, result) => result.ok || console.error(`${symbol}: ${result.text}`));

quotes.subscribe((changed) => {
  for (const q of changed) {
    const bid = `${formatSize(q.bidSize, q.instrument)} × ${formatPrice(q.bid, q.instrument)}`;
    const ask = `${formatPrice(q.ask, q.instrument)} × ${formatSize(q.askSize, q.instrument)}`;
    console.log(q.symbol.padEnd(20), bid.padStart(28), ask.padEnd(28), q.quality === 'ok' ? '' : q.quality);
  }
});
