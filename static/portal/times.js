/** The times that the server wrote into a page, in the viewer's zone. */

import { clock, countdownWords, dayWords, momentWords, utcWords, windowWords, zoneWords } from "./time.js";
import { viewerZone } from "./zone.js";

/** Show every `<time>` the server wrote in UTC in the viewer's zone; UTC stays on hover. */
export function showTimes(root = document) {
  const zone = viewerZone();
  const words = { clock, day: dayWords, moment: momentWords };
  for (const node of root.querySelectorAll("time[data-show]")) {
    const ms = Date.parse(node.dateTime);
    if (Number.isNaN(ms)) continue;
    node.title = utcWords(ms);
    const shape = node.dataset.show;
    if (shape === "countdown") continue;
    node.textContent = shape === "window" ? windowWords(zone, ms, Date.parse(node.dataset.until)) : words[shape](zone, ms);
  }
  for (const node of root.querySelectorAll("[data-zone-name]")) node.textContent = zoneWords(zone);
}

/** Let every countdown on the page tick. */
export function showCountdowns() {
  for (const node of document.querySelectorAll('time[data-show="countdown"]')) {
    const left = Date.parse(node.dateTime) - Date.now();
    node.textContent = left > 0 ? `${countdownWords(left)} ${node.dataset.word ?? ""}` : node.dataset.over ?? "now";
  }
}
