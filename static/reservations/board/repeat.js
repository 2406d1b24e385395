/** “Repeat …” in the booking form: a rule, each occurrence shown before it is booked, and all of them booked at once. */

import { newKey, post } from "../../portal/api.js";
import { el } from "../../portal/dom.js";
import { partsIn, zoneWords } from "../../portal/time.js";
import { _, ngettext } from "../../portal/words.js";
import { Occurrences } from "../occurrences.js";
import { clocksWords, RuleForm, timesOf } from "../recurrence.js";

/** Return the section of the form; it is drawn once and keeps what was decided. */
export function drawRepeat(booking) {
  booking.repeat = new Repeat(booking);
  return [booking.repeat.node];
}

class Repeat {
  constructor(booking) {
    this.booking = booking;
    this.active = false;
    this.body = el("div", { class: "stack repeat-body" });
    this.node = el("details", { class: "repeat", ontoggle: () => this.toggle() }, el("summary", {}, _("Repeat…")), this.body);
  }

  get zone() { return this.form?.rule.zone ?? this.booking.board.state.zone; }

  toggle() {
    this.active = this.node.open;
    if (this.active && !this.form) this.begin();
    this.booking.drawPart("submit");
    this.booking.drawAnswer();
  }

  begin() {
    const { booking } = this;
    const { zone } = booking.board.state;
    const weekday = (partsIn(zone, booking.from).weekday + 6) % 7;
    this.form = new RuleForm({ id: "repeat", rule: { ...timesOf(zone, booking.from, booking.to), weekdays: [weekday], times: 10 }, onChange: () => this.stale() });
    this.list = new Occurrences({ zone, onDecide: (on) => this.preview(on) });
    this.same = el("input", { type: "checkbox", id: "repeat-same", onchange: () => this.stale() });
    this.same.checked = true;
    this.status = el("div", { role: "status", class: "stack" });
    this.result = el("div", { class: "stack" });
    this.body.replaceChildren(
      this.form.node,
      el("label", { class: "check", for: "repeat-same" }, this.same, _("The same devices each time, where they are free")),
      el("p", { class: "help" }, _("Times by the clocks of {zone}.", { zone: zoneWords(zone) }), " ", clocksWords()),
      el("div", { class: "actions" }, this.button = el("button", { type: "button", class: "button", onclick: () => this.preview() }, _("Show each occurrence"))),
      this.status, this.result);
  }

  /** The wish or the rule changed: what was shown is not true any more; what was decided stays. */
  stale() {
    this.key = newKey();
    this.list?.show([]);
    this.result?.replaceChildren();
    this.status?.replaceChildren();
  }

  /** The window or the devices of the booking changed. */
  wishChanged() {
    if (!this.form) return;
    const { booking } = this;
    const times = timesOf(this.zone, booking.from, booking.to);
    const wish = JSON.stringify([times, booking.rows, booking.wishes, booking.connected]);
    if (wish === this.wish) return;
    if (this.wish !== undefined) this.stale();
    this.wish = wish;
    Object.assign(this.form.rule, times);
  }

  ask() {
    const { starts_at, ends_at, ...ask } = this.booking.ask();
    return { ...ask, rule: this.form.asked, same_devices: this.same.checked, exceptions: this.list.exceptions };
  }

  async preview(on) {
    this.wishChanged();
    if (!this.booking.number) { this.status.replaceChildren(el("p", { class: "errors" }, _("Choose a device first."))); return; }
    this.button.disabled = true;
    this.status.replaceChildren(el("p", { class: "quiet late" }, _("Looking at the calendar…")));
    try {
      const plan = await post("series/preview/", this.ask());
      this.show(plan.occurrences);
      this.status.replaceChildren(el("p", {}, this.list.summary()));
      if (on) this.list.node.querySelector(`[data-on="${on}"] button`)?.focus();
    } catch (problem) {
      this.fail(problem);
    }
    this.button.disabled = false;
  }

  show(occurrences) {
    this.key = newKey();
    this.list.show(occurrences);
    const { free, blocked } = this.list;
    const words = ngettext("Book {count} occurrence", "Book {count} occurrences", free);
    this.result.replaceChildren(
      this.list.node,
      el("div", { class: "actions" },
        blocked.length > 0 && el("button", { type: "button", class: "button", onclick: () => this.list.skipBlocked() }, ngettext("Skip the one in conflict", "Skip all {count} in conflict", blocked.length)),
        el("button", { type: "button", class: "button primary", disabled: !free || blocked.length > 0, onclick: (event) => this.book(event.currentTarget) }, words)),
      blocked.length > 0 && el("p", { class: "help" }, _("Decide for each conflict first: nothing is booked before that.")));
  }

  async book(button) {
    button.disabled = true;
    try {
      const series = await post("series/", this.ask(), { key: this.key });
      location.assign(`/series/${series.id}/`);
    } catch (problem) {
      if (problem.more?.occurrences) this.show(problem.more.occurrences);
      else button.disabled = false;
      this.fail(problem);
      this.status.scrollIntoView({ block: "nearest" });
    }
  }

  fail(problem) {
    const fields = Object.values(problem.errors ?? {}).flat();
    this.status.replaceChildren(el("div", { class: "note bad", role: "alert" }, el("div", {}, fields.length ? fields.join(" ") : problem.message)));
  }
}
