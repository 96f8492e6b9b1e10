// A watchlist in React 18 or 19. Bundle it with whatever you bundle React with:
//
//   npx esbuild examples/react.jsx --bundle --jsx=automatic --outfile=app.js
//
// and load app.js in a page with <div id="root"></div>. `feedd` must run: go run ./cmd/feedd
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { formatPrice } from '@feedd/client';
import { FeedProvider, useHealth, useQuote, useTrades } from '@feedd/client/react';

const url = new URLSearchParams(location.search).get('url') ?? 'ws://127.0.0.1:8080/v1/ws';

function Row({ symbol, cadenceMs }) {
  const quote = useQuote(symbol, { cadenceMs });
  if (quote === undefined) return <tr><th>{symbol}</th><td colSpan={3}>…</td></tr>;
  return (
    <tr id={symbol} className={quote.quality}>
      <th>{symbol}</th>
      <td className="bid">{formatPrice(quote.bid, quote.instrument)}</td>
      <td className="ask">{formatPrice(quote.ask, quote.instrument)}</td>
      <td>{quote.quality}</td>
    </tr>
  );
}

function LastTrade({ symbol }) {
  const trade = useTrades(symbol, { history: 1 }).at(-1);
  return <p id="last">{trade === undefined ? 'no trade yet' : `last: ${formatPrice(trade.price, trade.instrument)}`}</p>;
}

function Watchlist() {
  const { state, reason } = useHealth();
  const [cadenceMs, setCadenceMs] = useState(250);
  return (
    <main>
      <p id="state">{state === 'suspect' ? `suspect: ${reason}` : state}</p>
      <label>every <input type="number" value={cadenceMs} onChange={(e) => setCadenceMs(Number(e.target.value))} /> ms</label>
      <table><tbody>{['test:FAKE', 'sim:BTC-USD', 'sim:ETH-USD'].map((symbol) => <Row key={symbol} symbol={symbol} cadenceMs={cadenceMs} />)}</tbody></table>
      <LastTrade symbol="test:FAKE" />
    </main>
  );
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <FeedProvider options={{ url, client: 'react example' }}><Watchlist /></FeedProvider>
  </StrictMode>,
);
