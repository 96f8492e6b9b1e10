/** What Node gets without naming a WebSocket. */
import { expect, it } from 'vitest';
import { createClient } from '../../src/node.js';
import { RealServer } from './server.js';

it('finds a WebSocket by itself', async () => {
  const server = await RealServer.start();
  const feed = createClient({ url: server.url });
  try {
    for await (const [row] of feed.quotes(['test:FAKE'])) {
      expect(row).toMatchObject({ symbol: 'test:FAKE', quality: 'ok' });
      break;
    }
  } finally {
    feed.close();
    await server.clean();
  }
});
