/** Why not, until when, and what would work instead, as buttons. */

import { el } from "../../portal/dom.js";
import { momentWords, windowWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";

/** Return why one device is refused; where a time is part of it, in the viewer's zone. */
export function reasonWords(one, { zone, nameOf }) {
  const known = one.resource && nameOf ? nameOf(one.resource) : null;
  const name = known && known !== _("A device") ? known : one.resource_name;
  if (!["taken", "maintenance"].includes(one.reason) || !one.until || !name) return one.message;
  const values = { name, until: momentWords(zone, Date.parse(one.until)) };
  return one.reason === "taken" ? _("{name} is taken until {until}.", values) : _("{name} is in maintenance until {until}.", values);
}

/** Return a refusal in words; `onTake` books one of the windows that would work. */
export function drawRefusal(problem, { zone, asked, onTake, nameOf }) {
  const { refusals = [], alternatives = [], never = false } = problem.more ?? {};
  const fields = Object.entries(problem.errors ?? {}).flatMap(([name, words]) => [words].flat().map((word) => `${name.replaceAll("_", " ")}: ${word}`));
  const lines = refusals.length ? refusals.map((one) => reasonWords(one, { zone, nameOf })) : [problem.message];
  return el("div", { class: "refusal", role: "alert" },
    el("div", { class: "note bad" }, el("div", {},
      el("strong", {}, problem.status === 409 ? (asked ? _("Not booked for {window}", { window: windowWords(zone, asked.from, asked.to) }) : _("Not booked")) : _("That did not work")),
      el("ul", {}, [...lines, ...fields].map((line) => el("li", {}, line))))),
    problem.status === 409 && drawAlternatives(alternatives, { zone, onTake, nameOf, never }));
}

/** Return the windows that would work as buttons. */
export function drawAlternatives(alternatives, { zone, onTake, nameOf, never = false }) {
  if (never) return el("p", { class: "help" }, _("No window would work for this. Choose other devices, or fewer."));
  if (!alternatives.length) return el("p", { class: "help" }, _("No window near this one works. Try another day, or fewer devices."));
  return el("div", { class: "alternatives" }, el("h3", {}, _("These would work")),
    el("ul", {}, alternatives.map((one) => {
      const from = Date.parse(one.starts_at);
      const to = Date.parse(one.ends_at);
      return el("li", {}, el("button", { type: "button", class: "button", onclick: () => onTake({ from, to, resources: one.resources ?? [] }) },
        el("span", {}, _("Book {window}", { window: windowWords(zone, from, to) }))),
      nameOf && one.resources?.length > 0 && el("span", { class: "help" }, one.resources.map(nameOf).join(", ")));
    })));
}
