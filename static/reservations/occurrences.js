/** The occurrences of a series before they are booked: how each stands, and what a person decides for it. */

import { el } from "../portal/dom.js";
import { momentWords, windowWords } from "../portal/time.js";
import { _, ngettext } from "../portal/words.js";
import { reasonWords } from "./board/refusal.js";
import { dateWords } from "./recurrence.js";

const WORDS = {
  free: _("free"), kept: _("stays as it is"), conflict: _("conflict"), limit: _("against a limit"), too_far: _("too far ahead"),
  impossible: _("no such time"), past: _("over"), skipped: _("skipped"),
};
const BLOCKED = ["conflict", "limit", "too_far", "impossible"];

/** What was decided, by the day of the rule; it outlives every new preview. */
export class Occurrences {
  constructor({ zone, onDecide }) {
    this.zone = zone;
    this.onDecide = onDecide;
    this.decided = new Map();
    this.shown = [];
    this.node = el("ol", { class: "occurrences", aria: { label: _("Occurrences") } });
  }

  get exceptions() { return [...this.decided].map(([on, what]) => ({ on, ...what })); }
  get free() { return this.shown.filter((one) => one.outlook === "free").length; }
  get blocked() { return this.shown.filter((one) => BLOCKED.includes(one.outlook)); }

  show(occurrences) {
    this.shown = occurrences;
    this.node.replaceChildren(...occurrences.map((one) => this.drawOne(one)));
  }

  decide(on, what) {
    if (what) this.decided.set(on, what); else this.decided.delete(on);
    this.onDecide(on);
  }

  skipBlocked() {
    for (const one of this.blocked) this.decided.set(one.on, { skip: true });
    this.onDecide();
  }

  /** Return a summary: how many are free, and what is to be decided. */
  summary() {
    const { free, blocked } = this;
    const parts = [ngettext("{count} occurrence is free", "{count} occurrences are free", free)];
    if (blocked.length) parts.push(ngettext("{count} needs a decision", "{count} need a decision", blocked.length));
    return parts.join(", ");
  }

  drawOne(one) {
    const from = Date.parse(one.starts_at);
    const to = Date.parse(one.ends_at);
    const blocked = BLOCKED.includes(one.outlook);
    const name = dateWords(one.on);
    const devices = one.devices.map((each) => each.resource_name).join(", ");
    const button = (words, what, label) => el("button", { type: "button", class: "button small", aria: { label }, onclick: () => this.decide(one.on, what) }, words);
    const others = blocked ? one.others : [];
    const other = el("select", { aria: { label: _("Another device on {day}", { day: name }) }, onchange: () => {
      const [line, resource] = other.value.split("|");
      if (resource) this.decide(one.on, { ...this.decided.get(one.on), skip: false, devices: { ...this.decided.get(one.on)?.devices, [line]: resource } });
    } }, el("option", { value: "" }, _("Another device…")), others.map((each) => el("option", { value: `${each.line}|${each.resource}` }, each.resource_name)));
    return el("li", { class: "occurrence", data: { outlook: one.outlook, on: one.on } },
      el("div", { class: "occurrence-head" },
        el("span", { class: "occurrence-mark", aria: { hidden: "true" } }),
        el("span", { class: "occurrence-when" }, one.outlook === "impossible" ? `${name}, ${momentWords(this.zone, from).split(", ").pop()}` : windowWords(this.zone, from, to)),
        el("span", { class: "occurrence-word" }, WORDS[one.outlook] ?? one.outlook, one.moved ? ` · ${_("moved")}` : ""),
        this.drawChoice(one, button, name)),
      !one.usual && one.outlook === "free" && el("p", { class: "help" }, _("With other devices: {devices}", { devices })),
      one.note && el("p", { class: "help" }, one.note),
      blocked && el("ul", { class: "occurrence-why" }, one.refusals.map((refusal) => el("li", {}, reasonWords(refusal, { zone: this.zone })))),
      blocked && el("div", { class: "occurrence-choices" },
        button(_("Skip"), { skip: true }, _("Skip {day}", { day: name })),
        one.outlook === "conflict" && one.alternatives.map((window) => button(windowWords(this.zone, Date.parse(window.starts_at), Date.parse(window.ends_at)), { starts_at: window.starts_at, ends_at: window.ends_at }, _("{day}: at another time, {window}", { day: name, window: windowWords(this.zone, Date.parse(window.starts_at), Date.parse(window.ends_at)) }))),
        others.length > 0 && other));
  }

  /** Return the one thing to decide where nothing is in the way. */
  drawChoice(one, button, name) {
    if (!["free", "skipped", "kept"].includes(one.outlook)) return "";
    if (one.outlook === "skipped") return button(_("Do not skip"), { skip: false }, _("Do not skip {day}", { day: name }));
    if (this.decided.has(one.on)) return button(_("As the rule says"), null, _("{day}: as the rule says", { day: name }));
    return button(_("Skip"), { skip: true }, _("Skip {day}", { day: name }));
  }
}
