/** The way onto the wait list: a button, and then the place in line. */

import { newKey, post } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { momentWords } from "../portal/time.js";
import { _ } from "../portal/words.js";

/** Return a button that waits for what `ask` returns, as the portal takes it. */
export function drawWait(ask, { zone }) {
  const said = el("p", { class: "help", role: "status" });
  const button = el("button", { type: "button", class: "button", onclick: async () => {
    button.disabled = true;
    try {
      const { position, gives_up_at } = await post("waiting/", ask(), { key: newKey() });
      said.replaceChildren(_("You are number {position} in line until {moment}. When it comes free, it is held for you and you are told.", { position, moment: momentWords(zone, Date.parse(gives_up_at)) }), " ", el("a", { href: "/mine/" }, _("To my desk")));
      button.remove();
    } catch (problem) {
      button.disabled = false;
      said.textContent = problem.message;
    }
  } }, _("Tell me when it frees up"));
  return el("div", { class: "wait" }, button, said);
}

/** Return a booking that was refused as a wish for exactly its window. */
export function exactWish({ starts_at, ends_at, ...ask }) {
  return { ...ask, earliest: starts_at, latest: ends_at, duration_s: Math.round((Date.parse(ends_at) - Date.parse(starts_at)) / 1000) };
}
