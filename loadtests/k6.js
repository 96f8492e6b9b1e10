// A watchlist for each virtual user, over the readable subprotocol: connect, subscribe, watch, leave. Run it with k6:
//
//   k6 run loadtests/k6.js
//   k6 run -e URL=ws://feed.example:8080/v1/ws -e SYMBOLS='sim:*USD' -e CADENCE_MS=250 --vus 200 --duration 1m loadtests/k6.js
//
// A run fails when a connection ends by itself, a price goes back in its position (epoch and sequence), a loss comes, or rows are late.
import { check } from 'k6';
import { Counter, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';

const url = __ENV.URL || 'ws://127.0.0.1:8080/v1/ws';
const symbols = (__ENV.SYMBOLS || 'sim:*USD,test:FAKE').split(',');
const channels = (__ENV.CHANNELS || 'quote').split(',');
const cadence = Number(__ENV.CADENCE_MS || 250);
const seconds = Number(__ENV.SECONDS || 20);

export const options = {
  vus: 50,
  duration: '30s',
  gracefulStop: `${seconds + 5}s`,
  thresholds: {
    feedd_wrong: ['count==0'],
    feedd_lost: ['count==0'],
    feedd_ended: ['count==0'],
    feedd_late_ms: ['p(99)<500'],
    checks: ['rate==1'],
  },
};

const frames = new Counter('feedd_frames');
const rows = new Counter('feedd_rows');
const conflated = new Counter('feedd_conflated');
const lost = new Counter('feedd_lost');
const ended = new Counter('feedd_ended');
const wrong = new Counter('feedd_wrong');
const late = new Trend('feedd_late_ms', true);
const joined = new Trend('feedd_join_ms', true);

export default function () {
  const began = Date.now();
  const positions = new Map();
  let answered = false;
  let leaving = false;
  const socket = new WebSocket(url, ['feedd.v1.json']);

  socket.onopen = () => {
    socket.send(JSON.stringify({ id: 1, subscribe: { symbols, channels, cadenceMs: cadence } }));
    setTimeout(() => { leaving = true; socket.close(1000); }, seconds * 1000);
  };

  socket.onmessage = (message) => {
    const frame = JSON.parse(message.data);
    if (frame.replyTo === 1 && frame.subscribed) {
      const refused = frame.subscribed.results.filter((r) => r.code);
      answered = check(refused, { 'every symbol is granted': (list) => list.length === 0 });
      if (!answered) console.error(JSON.stringify(refused.slice(0, 3)));
      joined.add(Date.now() - began);
    }
    if (frame.error && frame.replyTo === 1) console.error(JSON.stringify(frame.error));
    for (const loss of frame.losses || []) lost.add(Number(loss.to) - Number(loss.from) + 1);
    conflated.add(frame.conflated || 0);
    if (!frame.cutTimeUs) return;
    frames.add(1);
    late.add(Math.max(0, Date.now() - Number(frame.cutTimeUs) / 1000));
    for (const row of frame.quoteTexts || []) {
      rows.add(1);
      const epoch = Number(row.epoch || 0);
      const sequence = Number(row.sequence);
      const before = positions.get(row.symbol) || { epoch: 0, sequence: 0 };
      if (epoch < before.epoch || (epoch === before.epoch && sequence < before.sequence)) wrong.add(1);
      positions.set(row.symbol, { epoch, sequence });
    }
  };

  socket.onclose = () => {
    check(positions, { 'prices came': (map) => !channels.includes('quote') || map.size > 0 });
    if (!leaving) ended.add(1);
  };
  socket.onerror = (event) => console.error(`cannot use ${url}: ${event.error}`);
}
