// Package web holds the pages that feedd serves: their sources in TypeScript, the pages built from them in
// dist, and the handlers that serve them from inside the binary.
//
//	dashboard/  the page for those who watch the market
//	ui/         what pages share: colours and sizes as CSS custom properties, components, and small parts
//	            that know nothing of markets
//	dist/       the built pages, a folder each
//
// The built pages are committed, so that building feedd needs Go alone. "npm run build -w web" builds them
// anew, "npm run check -w web" fails when they are not what the sources give. The dashboard uses the
// JavaScript client in clients/js as any other user would.
package web
