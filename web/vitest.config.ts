import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** The client is tested from its source, as the page is built from it. */
export const client = { "@feedd/client": fileURLToPath(new URL("../clients/js/src/index.ts", import.meta.url)) };

export default defineConfig({
  resolve: { alias: client },
  test: { include: ["test/**/*.test.ts"] },
});
