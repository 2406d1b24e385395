/** Which zone the viewer reads times in: what they chose, else their account's, else the browser's. */

import { browserZone, isZone } from "./time.js";

const KEY = "shary.zone";
const listeners = new Set();

function remembered() {
  try { return localStorage.getItem(KEY); } catch { return null; }
}

const usual = [document.body?.dataset.timeZone, browserZone].find((zone) => zone && isZone(zone)) ?? "UTC";
let current = [new URLSearchParams(location.search).get("zone"), remembered(), usual]
  .find((zone) => zone && isZone(zone)) ?? "UTC";

export function viewerZone() {
  return current;
}

export function chooseZone(zone) {
  current = zone;
  try {
    if (zone === usual) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, zone);
  } catch { /* not remembered, still used */ }
  for (const listener of listeners) listener(zone);
}

export function onZone(listener) {
  listeners.add(listener);
}
