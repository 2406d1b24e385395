/** My desk keeps itself up to date: the server draws it, the browser asks again now and then. */

import { showCountdowns, showTimes } from "../portal/times.js";

const EVERY = 30_000;
const desk = document.getElementById("desk");

async function refresh() {
  if (document.hidden || desk.contains(document.activeElement)) return;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("desk");
    if (!fresh) return;
    desk.replaceChildren(...fresh.childNodes);
    showTimes(desk);
    showCountdowns();
  } catch { /* offline: the next round tries again */ }
}

setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
