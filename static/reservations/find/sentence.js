/** The sentence with blanks: what, for how long, between when, and where. */

import { el, icon } from "../../portal/dom.js";
import { fromInput, HOUR, toInput, zoneWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { leastOf } from "./wish.js";

const KINDS = () => ({ gpu: _("GPU"), gpu_slice: _("part of a GPU"), gpu_host: _("host with GPUs"), p4_switch: _("P4 switch"), smart_nic: _("smart NIC") });
export const kindWords = (kind) => KINDS()[kind] ?? kind.replaceAll("_", " ");

const option = (value, words, chosen) => el("option", { value, selected: value === chosen || undefined }, words);

/** Return the words for a least value: `memory at least 48 GiB`. */
function leastWords(name, least) {
  if (name === "memory_gib_min") return _("at least {number} GiB", { number: least });
  if (name === "relative_speed_min") return _("at least as quick as {number} ×", { number: least });
  return `${name.replace(/_min$/, "").replaceAll("_", " ")} ≥ ${least}`;
}

export class Sentence {
  constructor(finder) { this.finder = finder; }

  draw() {
    const { wish, config } = this.finder;
    return el("form", { class: "wish block", aria: { label: _("What you need") }, onsubmit: (event) => { event.preventDefault(); this.finder.search(); } },
      el("div", { class: "wish-lines", role: "group", aria: { label: _("Devices") } }, wish.lines.map((line, place) => this.drawLine(line, place))),
      el("div", { class: "wish-row" },
        el("button", { type: "button", class: "button small", onclick: () => this.add() }, icon("plus"), _("Another device")),
        wish.lines.reduce((sum, line) => sum + line.count, 0) > 1 && [
          this.tick(_("at the same site"), wish.sameSite, (on) => { wish.sameSite = on; }),
          wish.lines.length > 1 && this.tick(_("wired to each other"), wish.wired, (on) => { wish.wired = on; })]),
      el("div", { class: "wish-row wish-when" },
        this.blank(_("for so many hours"), _("for"), el("input", { type: "number", min: "0.25", max: "2208", step: "0.25", value: wish.hours, class: "narrow", name: "hours", onchange: (event) => this.set({ hours: Math.max(Number(event.target.value) || 1, 0.25) }) }), _("h")),
        this.moment(_("not before"), _("between"), "from", this.finder.now()),
        this.moment(_("over by"), _("and"), "to", (wish.from ?? this.finder.now()) + 14 * 24 * HOUR)),
      config.sites.length > 1 && this.drawSites(),
      el("div", { class: "wish-row" },
        config.projects.length > 1 && this.blank(_("Project"), _("for the project"), el("select", { name: "project", onchange: (event) => { this.finder.project = event.target.value; } }, config.projects.map((one) => option(one.slug, one.name, this.finder.project)))),
        el("button", { type: "submit", class: "button primary end" }, icon("search"), _("Find"))));
  }

  drawLine(line, place) {
    const { wish, config } = this.finder;
    const remove = wish.lines.length > 1 && el("button", { type: "button", class: "icon-button", aria: { label: _("Remove this line") }, onclick: () => { wish.lines.splice(place, 1); this.changed(); } }, icon("close"));
    if (line.resource) return el("div", { class: "wish-line" }, el("span", {}, "1 ×"), el("span", { class: "grow" }, config.names[line.resource] ?? _("one certain device")), remove);
    const models = config.catalogue.filter((one) => one.kind === line.kind && one.model);
    const canBeBetter = line.model && Object.keys(leastOf(config.catalogue, line)).length > 0;
    return el("div", { class: "wish-line" },
      el("input", { type: "number", min: "1", max: "64", value: line.count, class: "narrow", aria: { label: _("How many") }, onchange: (event) => { line.count = Math.min(Math.max(Math.round(Number(event.target.value)) || 1, 1), 64); this.changed(); } }),
      el("span", { aria: { hidden: "true" } }, "×"),
      el("select", { aria: { label: _("Kind of device") }, onchange: (event) => { Object.assign(line, { kind: event.target.value, model: "", attributes: {}, better: false }); this.changed(); } },
        [...new Set([...config.catalogue.map((one) => one.kind), line.kind])].map((kind) => option(kind, kindWords(kind), line.kind))),
      el("select", { aria: { label: _("Model") }, onchange: (event) => { Object.assign(line, { model: event.target.value, better: line.better && Boolean(event.target.value) }); this.changed(); } },
        option("", _("any model"), line.model), models.map((one) => option(one.model, one.model, line.model)),
        line.model && !models.some((one) => one.model === line.model) && option(line.model, line.model, line.model)),
      canBeBetter && this.tick(_("or better"), line.better, (on) => { line.better = on; }),
      Object.entries(line.attributes).map(([name, least]) => el("button", { type: "button", class: "chip", title: _("Remove this"), onclick: () => { delete line.attributes[name]; this.changed(); } }, leastWords(name, least), icon("close"))),
      remove);
  }

  drawSites() {
    const { wish, config } = this.finder;
    const state = (slug) => (wish.sites.includes(slug) ? "only" : wish.barred.includes(slug) ? "never" : "any");
    const choose = (slug, chosen) => {
      wish.sites = wish.sites.filter((one) => one !== slug);
      wish.barred = wish.barred.filter((one) => one !== slug);
      if (chosen === "only") wish.sites.push(slug);
      if (chosen === "never") wish.barred.push(slug);
      this.changed();
    };
    const said = wish.sites.length ? _("only {sites}", { sites: names(config, wish.sites) }) : wish.barred.length ? _("not {sites}", { sites: names(config, wish.barred) }) : _("any site");
    return el("details", { class: "wish-sites", open: this.sitesOpen || undefined, ontoggle: (event) => { this.sitesOpen = event.target.open; } },
      el("summary", {}, _("at"), " ", el("strong", {}, said)),
      el("div", { class: "wish-site-list" }, config.sites.map(({ slug, name }) => el("label", { class: "wish-site" }, el("span", {}, name),
        el("select", { onchange: (event) => choose(slug, event.target.value) }, option("any", _("allowed"), state(slug)), option("only", _("only here"), state(slug)), option("never", _("not here"), state(slug)))))));
  }

  tick(words, on, then) {
    return el("label", { class: "check" }, el("input", { type: "checkbox", checked: on || undefined, onchange: (event) => { then(event.target.checked); this.changed(); } }), words);
  }

  blank(label, words, input, after = "") {
    input.setAttribute("aria-label", label);
    return el("label", { class: "blank" }, el("span", {}, words), input, after && el("span", {}, after));
  }

  moment(label, words, name, otherwise) {
    const { wish, zone } = this.finder;
    const input = el("input", { type: "datetime-local", name, value: toInput(zone, wish[name] ?? otherwise), onchange: (event) => this.set({ [name]: event.target.value ? fromInput(zone, event.target.value) : null }) });
    return this.blank(`${label} (${zoneWords(zone)})`, words, input);
  }

  add() {
    const { wish, config } = this.finder;
    const used = new Set(wish.lines.map((line) => line.kind));
    const kind = config.catalogue.find((one) => !used.has(one.kind))?.kind ?? wish.lines.at(-1)?.kind ?? "gpu";
    wish.lines.push({ count: 1, kind, model: "", attributes: {}, better: false });
    this.changed();
  }

  set(values) { Object.assign(this.finder.wish, values); this.changed(); }

  changed() { this.finder.changed(); }
}

const names = (config, slugs) => slugs.map((slug) => config.sites.find((one) => one.slug === slug)?.name ?? slug).join(", ");
