/** The page of a series: its rule, its occurrences, and what can be done with the rest. */

import { get, newKey, post } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { durationWords, utcWords, windowWords, zoneWords } from "../portal/time.js";
import { toast } from "../portal/toast.js";
import { _, ngettext } from "../portal/words.js";
import { onZone, viewerZone } from "../portal/zone.js";
import { Occurrences } from "./occurrences.js";
import { clocksWords, dateWords, datePlus, RuleForm, ruleWords } from "./recurrence.js";
import { PHASE_PATTERN, PHASE_WORDS } from "./states.js";

const OVER = ["over", "cancelled", "rejected"];

class SeriesPage {
  constructor(root) {
    this.root = root;
    this.id = root.dataset.series;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.load();
    onZone(() => this.draw());
  }

  async load() {
    try {
      this.series = await get(`series/${this.id}/`);
      this.draw();
    } catch (problem) {
      this.part("body").replaceChildren(el("div", { class: "block empty" }, el("strong", {}, _("The series could not be loaded.")), el("p", {}, problem.message), el("button", { type: "button", class: "button", onclick: () => this.load() }, _("Try again"))));
    }
  }

  draw() {
    const { series } = this;
    if (!series) return;
    document.title = `${series.purpose || _("Series")} · SHARY`;
    const ahead = series.occurrences.filter((one) => !OVER.includes(one.phase)).length;
    this.part("head").replaceChildren(
      el("div", { class: "page-head" }, el("h1", {}, series.purpose || _("Series")),
        el("span", { class: "quiet" }, series.cancelled_at ? _("The rest was cancelled") : ngettext("{count} occurrence to come or running", "{count} occurrences to come or running", ahead))),
      el("p", { class: "summary" }, ruleWords(series.rule), el("span", { class: "quiet" }, ` · ${series.project_name} · ${series.holder}`)));
    this.actions = el("div", { class: "actions" });
    this.answer = el("div", { class: "answer stack", role: "status" });
    this.showActions();
    this.part("body").replaceChildren(
      series.can.change ? el("section", { class: "block", aria: { label: _("What you can do") } }, el("div", { class: "block-body" }, this.actions, this.answer)) : "",
      this.drawOccurrences(),
      el("p", { class: "help spaced" }, clocksWords()));
  }

  drawOccurrences() {
    const zone = viewerZone();
    const { occurrences, exceptions } = this.series;
    const rows = [
      ...occurrences.map((one) => ({ at: Date.parse(one.starts_at), node: this.drawOne(one, zone) })),
      ...exceptions.filter((one) => one.kind === "skipped").map((one) => ({ at: Date.parse(`${one.on}T12:00:00Z`), node: el("li", { class: "occurrence", data: { outlook: "skipped" } },
        el("div", { class: "occurrence-head" }, el("span", { class: "occurrence-mark", aria: { hidden: "true" } }), el("span", { class: "occurrence-when" }, dateWords(one.on)), el("span", { class: "occurrence-word" }, _("skipped"))),
        one.reason && el("p", { class: "help" }, one.reason)) })),
    ].sort((a, b) => a.at - b.at);
    return el("section", { class: "block", aria: { labelledby: "occurrences-title" } },
      el("div", { class: "block-head" }, el("h2", { id: "occurrences-title" }, _("Occurrences")), el("span", { class: "quiet end" }, _("Times in {zone}", { zone: zoneWords(zone) }))),
      el("ol", { class: "series-list" }, rows.map((row) => row.node)));
  }

  drawOne(one, zone) {
    const from = Date.parse(one.starts_at);
    const to = Date.parse(one.ends_at);
    const exception = this.series.exceptions.find((each) => each.on === one.occurrence_on && each.kind !== "skipped");
    return el("li", { class: "occurrence" },
      el("div", { class: "occurrence-head" },
        el("span", { class: "swatch", data: { state: PHASE_PATTERN[one.phase], mine: "1" }, aria: { hidden: "true" } }),
        el("a", { class: "occurrence-when", href: `/reservations/${one.id}/`, title: `${utcWords(from)} – ${utcWords(to)}` }, windowWords(zone, from, to)),
        el("span", { class: "occurrence-word" }, PHASE_WORDS[one.phase] ?? one.phase)),
      el("p", { class: "help" }, one.leases.map((lease) => `${lease.site_name} · ${lease.resource_name}`).join(", "), ` · ${durationWords(to - from)}`, exception ? ` · ${exception.kind === "moved" ? _("at another time than the rule") : _("with other devices")}` : ""),
      one.note && el("p", { class: "help" }, one.note));
  }

  showActions() {
    const { can } = this.series;
    const button = (words, onclick, kind = "") => el("button", { type: "button", class: `button ${kind}`, onclick }, words);
    this.actions.replaceChildren(
      button(_("Extend or change…"), () => this.askChange()),
      ...(can.cancel_rest ? [button(_("Cancel the rest…"), () => this.confirmCancel(), "danger")] : []));
    this.answer.replaceChildren();
  }

  confirmCancel() {
    const yes = el("button", { type: "button", class: "button danger", onclick: async () => {
      yes.disabled = true;
      try {
        this.series = await post(`series/${this.id}/cancel-rest/`, {}, { key: newKey() });
        toast(_("Cancelled. The devices are free for others."));
        this.draw();
      } catch (problem) { this.fail(problem); yes.disabled = false; }
    } }, _("Cancel the rest"));
    this.actions.replaceChildren(el("span", {}, _("Cancel all occurrences that have not started? What runs goes on.")), yes, el("button", { type: "button", class: "button", onclick: () => this.showActions() }, _("Keep them")));
    yes.focus();
  }

  askChange() {
    const { series } = this;
    const { rule } = series;
    this.list = new Occurrences({ zone: viewerZone(), onDecide: () => this.preview() });
    this.form = new RuleForm({ id: "change", rule: { ...rule, until: datePlus(rule.until, 7 * rule.interval) }, onChange: () => this.result.replaceChildren() });
    const time = (name, label) => {
      const input = el("input", { type: "time", id: `change-${name}`, required: true, value: rule[name], onchange: () => { this.form.rule[name] = input.value; this.result.replaceChildren(); } });
      return el("div", { class: "field" }, el("label", { for: input.id }, label), input);
    };
    this.result = el("div", { class: "stack", role: "status" });
    this.actions.replaceChildren(el("form", { class: "stack change-form", onsubmit: (event) => { event.preventDefault(); this.preview(); } },
      el("div", { class: "rule-pair" }, time("start", _("From, in {zone}", { zone: zoneWords(rule.zone) })), time("end", rule.nights ? _("To, on a later day") : _("To"))),
      this.form.node,
      el("p", { class: "help" }, _("What has started stays. What would not change stays booked as it is; the others are cancelled and booked anew, all or none.")),
      el("div", { class: "actions" }, el("button", { type: "submit", class: "button primary" }, _("Show each occurrence")), el("button", { type: "button", class: "button", onclick: () => this.showActions() }, _("Leave it as it is"))),
      this.result));
    this.form.node.querySelector("input, select").focus();
  }

  ask() {
    const { series } = this;
    return { project: series.project, purpose: series.purpose, resources: series.resources, links: series.links, same_devices: series.same_devices, rule: this.form.asked, exceptions: this.list.exceptions };
  }

  async preview() {
    try {
      this.show((await post(`series/${this.id}/preview-change/`, this.ask())).occurrences);
    } catch (problem) { this.fail(problem); }
  }

  show(occurrences) {
    this.answer.replaceChildren();
    this.list.show(occurrences);
    const { blocked } = this.list;
    this.result.replaceChildren(el("p", {}, this.list.summary()), this.list.node, el("div", { class: "actions" },
      blocked.length > 0 && el("button", { type: "button", class: "button", onclick: () => this.list.skipBlocked() }, ngettext("Skip the one in conflict", "Skip all {count} in conflict", blocked.length)),
      el("button", { type: "button", class: "button primary", disabled: blocked.length > 0, onclick: (event) => this.change(event.currentTarget) }, _("Change the series"))));
  }

  async change(button) {
    button.disabled = true;
    try {
      this.series = await post(`series/${this.id}/change/`, this.ask(), { key: newKey() });
      toast(_("The series was changed."));
      this.draw();
    } catch (problem) {
      if (problem.more?.occurrences) this.show(problem.more.occurrences);
      else button.disabled = false;
      this.fail(problem);
    }
  }

  fail(problem) {
    const fields = Object.values(problem.errors ?? {}).flat();
    this.answer.replaceChildren(el("div", { class: "note bad", role: "alert" }, el("div", {}, fields.length ? fields.join(" ") : problem.message)));
  }
}

const root = document.getElementById("series");
if (root) root.page = new SeriesPage(root);
