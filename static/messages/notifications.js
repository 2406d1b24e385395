/** Which messages one gets: every change is kept at once, and says so. */

import { get, post } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { toast } from "../portal/toast.js";
import { _, ngettext } from "../portal/words.js";

const LEADS = [5, 10, 15, 30, 60, 120, 240, 720, 1440];
const body = document.querySelector('#notifications [data-part="body"]');

function leadWords(minutes) {
  if (minutes >= 1440 && minutes % 1440 === 0) return ngettext("a day", "{count} days", minutes / 1440);
  if (minutes >= 60 && minutes % 60 === 0) return ngettext("an hour", "{count} hours", minutes / 60);
  return ngettext("a minute", "{count} minutes", minutes);
}

async function keep(change, done, back) {
  try {
    await post("notifications/", change);
    toast(done);
  } catch (problem) {
    back();
    toast(problem.message, { seconds: 10 });
  }
}

function drawKind(kind) {
  const id = `kind-${kind.name}`;
  const box = el("input", { type: "checkbox", id, checked: kind.wanted, disabled: !kind.optional, aria: { describedby: `${id}-help` } });
  box.checked = kind.wanted;
  box.addEventListener("change", () => keep({ wanted: { [kind.name]: box.checked } },
    box.checked ? _("You get “{title}”.", { title: kind.title }) : _("No more “{title}”.", { title: kind.title }),
    () => { box.checked = !box.checked; }));
  return el("label", { class: "choice", for: id, data: { fixed: kind.optional ? null : "1" } }, box, el("strong", {}, kind.title),
    el("span", { class: "quiet", id: `${id}-help` }, kind.explains, kind.optional ? "" : ` ${_("Comes to everybody whom it concerns.")}`));
}

function drawLead(name, words, minutes) {
  const known = [...new Set([...LEADS, minutes])].sort((a, b) => a - b);
  const select = el("select", { id: name }, known.map((each) => el("option", { value: String(each), selected: each === minutes }, leadWords(each))));
  let before = select.value;
  select.addEventListener("change", () => keep({ [name]: Number(select.value) }, _("Kept."), () => { select.value = before; }).then(() => { before = select.value; }));
  return el("div", { class: "field" }, el("label", { for: name }, words), select);
}

async function load() {
  try {
    const found = await get("notifications/");
    body.replaceChildren(
      found.email ? el("p", { class: "summary" }, _("They go to {email}, in your language and your time zone.", { email: found.email })) : el("p", { class: "note warn" }, _("There is no address to write to: your home institution has not told us any.")),
      el("section", { class: "block", aria: { labelledby: "kinds-title" } },
        el("div", { class: "block-head" }, el("h2", { id: "kinds-title" }, _("By e-mail"))),
        el("div", { class: "block-body" }, found.kinds.map(drawKind))),
      el("section", { class: "block", aria: { labelledby: "leads-title" } },
        el("div", { class: "block-head" }, el("h2", { id: "leads-title" }, _("How long before"))),
        el("div", { class: "block-body stack" },
          el("div", { class: "leads" }, drawLead("start_lead_min", _("Before a start"), found.start_lead_min), drawLead("end_lead_min", _("Before an end"), found.end_lead_min)),
          el("p", { class: "help" }, _("The end of a short lease is told when half of it is over, at the earliest.")))));
  } catch (problem) {
    body.replaceChildren(el("div", { class: "block empty" }, el("strong", {}, _("Your choices could not be loaded.")), el("p", {}, problem.message), el("button", { type: "button", class: "button", onclick: load }, _("Try again"))));
  }
}

load();
