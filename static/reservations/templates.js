/** The templates of a person and of their projects: use, rename, share, delete. */

import { call, get, remove } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { durationWords } from "../portal/time.js";
import { toast } from "../portal/toast.js";
import { _ } from "../portal/words.js";
import { kindWords } from "./states.js";

const body = document.querySelector('#templates [data-part="body"]');

/** Return a line of an ask in words: `2 × L40S at roma`. */
function lineWords(line, names) {
  if (line.resource) return names[line.resource] || _("a device that is no more");
  const number = line.count ?? 1;
  const what = `${number} × ${line.model || kindWords(line.kind, number)}`;
  return line.site ? _("{what} at {site}", { what, site: line.site }) : what;
}

function drawTemplate(template) {
  const { id, name } = template;
  const actions = el("div", { class: "actions" });
  const status = el("p", { class: "errors", role: "status" });
  const button = (words, label, onclick, kind = "") => el("button", { type: "button", class: `button ${kind}`, aria: { label }, onclick }, words);
  const send = async (work, done) => {
    try { await work(); toast(done); load(); } catch (problem) { status.textContent = Object.values(problem.errors ?? {}).flat().join(" ") || problem.message; }
  };
  const calm = () => {
    status.textContent = "";
    actions.replaceChildren(...[
      el("a", { class: "button primary", href: `/?template=${id}`, aria: { label: _("Use {name}", { name }) } }, _("Use")),
      template.can_edit && button(_("Edit…"), _("Edit {name}", { name }), edit),
      template.can_edit && button(_("Delete…"), _("Delete {name}", { name }), ask, "danger"),
    ].filter(Boolean));
  };
  const ask = () => {
    actions.replaceChildren(el("span", {}, _("Delete this template? What was booked with it stays.")),
      button(_("Delete"), _("Delete {name} for good", { name }), () => send(() => remove(`templates/${id}/`), _("{name} is gone.", { name })), "danger"),
      button(_("Keep it"), _("Keep {name}", { name }), calm));
    actions.querySelector("button").focus();
  };
  const edit = () => {
    const input = el("input", { id: `name-${id}`, type: "text", maxlength: "80", required: true, value: name });
    const purpose = el("input", { id: `purpose-${id}`, type: "text", maxlength: "200", value: template.purpose });
    const hours = el("input", { id: `hours-${id}`, type: "number", min: "0.1", step: "any", required: true, value: String(template.duration_s / 3600) });
    const shared = el("input", { id: `shared-${id}`, type: "checkbox" });
    shared.checked = template.shared;
    const field = (words, node) => el("div", { class: "field" }, el("label", { for: node.id }, words), node);
    actions.replaceChildren(el("form", { class: "stack change-form", onsubmit: (event) => {
      event.preventDefault();
      send(() => call(`templates/${id}/`, { method: "PATCH", body: { name: input.value, purpose: purpose.value, shared: shared.checked, duration_s: Math.round(Number(hours.value) * 3600) } }), _("Saved."));
    } },
      field(_("Name"), input), field(_("Purpose"), purpose), field(_("Length, in hours"), hours),
      el("label", { class: "check", for: shared.id }, shared, _("Share it with the project")),
      el("div", { class: "actions" }, el("button", { type: "submit", class: "button primary" }, _("Save")), button(_("Leave it as it is"), _("Leave {name} as it is", { name }), calm))));
    input.focus();
  };
  calm();
  return el("li", { class: "template" },
    el("div", { class: "template-head" }, el("h2", {}, name), el("span", { class: "quiet" }, [
      durationWords(template.duration_s * 1000), template.project_name,
      template.shared ? _("shared by {owner}", { owner: template.owner_name }) : _("only yours"),
    ].join(" · "))),
    el("p", {}, template.resources.map((line) => lineWords(line, template.names)).join(", "), template.links.length > 0 && el("span", { class: "quiet" }, ` · ${_("wired to each other")}`)),
    template.purpose && el("p", { class: "help" }, template.purpose),
    actions, status);
}

async function load() {
  try {
    const { results } = await get("templates/");
    body.replaceChildren(results.length
      ? el("ul", { class: "block" }, results.map(drawTemplate))
      : el("div", { class: "block empty" }, el("strong", {}, _("No templates yet.")), el("p", {}, _("What you book again and again can be kept: choose “Save as template…” in the booking form, or on the page of a reservation.")), el("a", { class: "button", href: "/" }, _("To the board"))));
  } catch (problem) {
    body.replaceChildren(el("div", { class: "block empty" }, el("strong", {}, _("The templates could not be loaded.")), el("p", {}, problem.message), el("button", { type: "button", class: "button", onclick: load }, _("Try again"))));
  }
}

load();
