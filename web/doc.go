// Package web is the dashboard page that feedd serves: its sources in TypeScript, the page built from
// them in dist, and the handler that serves it from inside the binary.
//
// The built page is committed, so that building feedd needs Go alone. "npm run build -w web" builds it
// anew, "npm run check -w web" fails when it is not what the sources give. The page uses the JavaScript
// client in clients/js as any other user would.
package web
