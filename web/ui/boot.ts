// Runs before the first paint, so that a page in the light theme never flashes dark. The rest of the
// page loads as a module, which the browser runs later.
import { applyLook, loadLook } from "./look.ts";

applyLook(document.documentElement, loadLook(() => localStorage));
