/** Keeps Today up to date; what somebody is typing is never taken away from them. */

const EVERY_MS = 20_000;

const typed = (shown) => [...shown.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue) || shown.contains(document.activeElement);

async function refresh() {
  const shown = document.getElementById("today");
  if (!shown) return;
  if (!document.hidden && !typed(shown)) {
    try {
      const answer = await fetch(shown.dataset.address, { headers: { Accept: "text/html" }, credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const there = fresh.getElementById("today");
      // Somebody may have begun to type while the answer was on its way.
      if (there && !typed(shown)) {
        shown.replaceChildren(...there.childNodes);
        document.title = fresh.title;
      }
    } catch {
      const stale = shown.querySelector(".stale");
      if (stale) stale.hidden = false;
    }
  }
  setTimeout(refresh, EVERY_MS);
}

setTimeout(refresh, EVERY_MS);
