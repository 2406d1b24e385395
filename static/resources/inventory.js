/** Follows the questions to a site while they are open; what somebody is typing is never taken away from them. */

const EVERY_MS = 1500;
const typed = () => [...document.querySelectorAll(".inventory input:not([type=hidden])")].some((input) => input.value !== input.defaultValue) || document.activeElement?.matches?.(".inventory input");

async function follow() {
  const shown = document.getElementById("progress");
  if (!shown || !Number(shown.dataset.waiting)) return;
  const version = shown.dataset.version;
  try {
    const answer = await fetch(shown.dataset.address, { headers: { Accept: "text/html" }, credentials: "same-origin", redirect: "error" });
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("progress");
      if (fresh && fresh.dataset.version !== version) {
        if (!typed()) { window.location.replace(window.location.pathname); return; }
        document.getElementById("fresh").hidden = false;
      }
      if (fresh) {
        // The version stays the one of the lines below, so that a later look still knows that they are old.
        fresh.dataset.version = version;
        if (fresh.innerHTML !== shown.innerHTML) shown.replaceChildren(...fresh.childNodes);
        shown.dataset.waiting = fresh.dataset.waiting;
        shown.classList.toggle("done", fresh.classList.contains("done"));
      }
    }
  } catch { /* The portal is away for a moment: the next look may find it. */ }
  setTimeout(follow, EVERY_MS);
}

setTimeout(follow, EVERY_MS);
