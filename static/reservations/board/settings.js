/** The form of an adapter: what a holder can choose for a lease, from its JSON Schema, and the files it takes. */

import { el } from "../../portal/dom.js";
import { _ } from "../../portal/words.js";
import { drawSlot } from "../slot.js";

/** Return the schema that counts: what a `$ref` or an `anyOf` with null stands for. */
function resolve(schema, root) {
  if (schema.$ref) return { ...root.$defs?.[schema.$ref.split("/").pop()], ...schema };
  const choice = schema.anyOf ?? schema.allOf;
  if (choice) {
    const one = choice.find((part) => part.type !== "null");
    return { ...schema, ...resolve(one, root), optional: choice.some((part) => part.type === "null") };
  }
  return schema;
}

export class AdapterSettings {
  constructor(adapter, { projectOf, onChange, given = {} }) {
    Object.assign(this, { adapter, projectOf, onChange, values: { ...given.parameters }, artefacts: { ...given.artefacts }, files: {} });
    const root = adapter.parameters_schema ?? {};
    this.required = new Set(root.required ?? []);
    this.fields = Object.entries(root.properties ?? {}).map(([name, schema]) => ({ name, schema: resolve(schema, root) }));
    this.node = this.draw();
  }

  get empty() { return !this.fields.length && !(this.adapter.artefacts ?? []).length; }
  get needed() { return this.required.size > 0 || (this.adapter.artefacts ?? []).some((slot) => slot.required); }

  /** Return what is still missing, in words. */
  missing() {
    return [
      ...[...this.required].filter((name) => this.values[name] === undefined).map((name) => this.titleOf(name)),
      ...(this.adapter.artefacts ?? []).filter((slot) => slot.required && !this.artefacts[slot.name]).map((slot) => slot.title),
    ];
  }

  titleOf(name) { return this.fields.find((field) => field.name === name)?.schema.title ?? name; }

  draw() {
    const { adapter } = this;
    const body = [
      ...this.fields.map(({ name, schema }) => this.drawField(name, schema)),
      ...(adapter.artefacts ?? []).map((slot) => this.drawSlot(slot)),
    ];
    return el("details", { class: "adapter-settings", open: this.needed },
      el("summary", {}, _("Settings: {adapter}", { adapter: adapter.title })),
      el("div", { class: "stack" }, adapter.notice && el("p", { class: "help" }, adapter.notice), body));
  }

  set(name, value) {
    if (value === undefined || value === "") delete this.values[name]; else this.values[name] = value;
    this.onChange();
  }

  drawField(name, schema) {
    const id = `setting-${this.adapter.name}-${name}`;
    const title = schema.title ?? name;
    const help = schema.description && el("p", { class: "help", id: `${id}-help` }, schema.description);
    const common = { id, aria: { describedby: help ? `${id}-help` : undefined }, required: this.required.has(name) };
    if (schema.type === "boolean") {
      const box = el("input", { ...common, required: false, type: "checkbox", onchange: (event) => this.set(name, event.target.checked) });
      box.checked = (this.values[name] ?? schema.default) === true;
      return el("div", { class: "field" }, el("label", { class: "check", for: id }, box, title), help);
    }
    const options = schema.enum ?? (schema.const !== undefined ? [schema.const] : null);
    let input;
    if (options) {
      input = el("select", { ...common, onchange: (event) => this.set(name, options[event.target.value] ?? undefined) },
        !this.required.has(name) && schema.default === undefined && el("option", { value: "" }, _("No preference")),
        options.map((option, i) => el("option", { value: String(i), selected: option === (this.values[name] ?? schema.default) }, String(option))));
      if (this.required.has(name) && schema.default === undefined) this.values[name] ??= options[0];
    } else if (schema.type === "integer" || schema.type === "number") {
      input = el("input", { ...common, type: "number", min: schema.minimum, max: schema.maximum, value: this.values[name], step: schema.type === "integer" ? "1" : "any", placeholder: schema.default ?? "", oninput: (event) => this.set(name, event.target.value === "" ? undefined : Number(event.target.value)) });
    } else if (schema.type === "array") {
      input = el("textarea", { ...common, rows: "2", placeholder: _("One a line"), value: this.values[name]?.join("\n"), oninput: (event) => this.set(name, event.target.value.split("\n").map((line) => line.trim()).filter(Boolean)) });
    } else {
      input = el("input", { ...common, type: "text", value: this.values[name], maxlength: schema.maxLength, pattern: schema.pattern, placeholder: schema.default ?? "", autocomplete: "off", oninput: (event) => this.set(name, event.target.value) });
    }
    return el("div", { class: "field" }, el("label", { for: id }, title), input, help);
  }

  drawSlot(slot) {
    const note = this.artefacts[slot.name] ? _("as kept, unless you choose another") : "";
    return drawSlot({ slot, note, adapter: this.adapter.name, projectOf: this.projectOf, choose: (file) => {
      if (file) this.artefacts[slot.name] = file.id; else delete this.artefacts[slot.name];
      this.onChange();
    } });
  }
}
