/** “Save as template…”: a name, and whether the project sees it. */

import { newKey, post } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { toast } from "../portal/toast.js";
import { _ } from "../portal/words.js";

/** Return the line that keeps something as a template; `ask()` returns what, without its name, and where to send it. */
export function drawKeep({ id, suggested = "", ask }) {
  const name = el("input", { id: `${id}-name`, type: "text", maxlength: "80", required: true, autocomplete: "off", value: suggested, placeholder: _("My usual experiment") });
  const shared = el("input", { id: `${id}-shared`, type: "checkbox" });
  const status = el("p", { class: "errors", role: "status" });
  const save = el("button", { type: "button", class: "button", onclick: async () => {
    status.textContent = "";
    if (!name.value.trim()) { status.textContent = _("Give it a name."); name.focus(); return; }
    save.disabled = true;
    const { path, ...body } = ask();
    try {
      await post(path, { ...body, name: name.value, shared: shared.checked }, { key: newKey() });
      node.open = false;
      toast(_("Kept under Templates: {name}.", { name: name.value }));
    } catch (problem) {
      status.textContent = Object.values(problem.errors ?? {}).flat().join(" ") || problem.message;
    }
    save.disabled = false;
  } }, _("Save"));
  name.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); save.click(); } });
  const node = el("details", { class: "keep" }, el("summary", {}, _("Save as template…")),
    el("div", { class: "stack spaced" },
      el("div", { class: "field" }, el("label", { for: name.id }, _("Name")), name),
      el("label", { class: "check", for: shared.id }, shared, _("Share it with the project")),
      el("div", { class: "actions" }, save), status));
  return node;
}
