/** What a lease does to things of the holder's own, in the words of its adapter. */

import { el } from "../portal/dom.js";

/** Return a note for each warning; each is said once, however many devices it is true of. */
export function drawWarnings(warnings) {
  const words = new Set(warnings.map((one) => one.message ?? one));
  return [...words].map((text) => el("p", { class: "note warn" }, text));
}
