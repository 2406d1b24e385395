/** The reminder of somebody without an ssh key: devices that are reached by ssh would not let them in. */

import { get } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { _ } from "../portal/words.js";

/** Tell whether a device of this kind is reached by ssh. */
export const isReachedBySsh = (kind) => /^gpu(_|$)/.test(kind);

export function drawKeyless() {
  return el("p", { class: "note warn keyless" }, el("span", {}, _("You have no ssh key yet."), " ",
    el("a", { href: "/account/keys/", target: "_blank" }, _("Add one"), el("span", { class: "visually-hidden" }, ` ${_("(opens a new tab)")}`)),
    `: ${_("it is put on your devices at once.")}`));
}

/** Look again when the person comes back from the page of keys. */
export function watchKeys(config, changed) {
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden || config.has_ssh_key !== false) return;
    try {
      const me = await get("me/");
      if (me.has_ssh_key) { config.has_ssh_key = true; changed(); }
    } catch { /* the reminder stays */ }
  });
}
