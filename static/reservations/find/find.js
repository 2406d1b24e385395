/** Find a slot: the wish in the address, the answers of the portal, and the booking of one of them. */

import { newKey, post, remove } from "../../portal/api.js";
import { el, readConfig } from "../../portal/dom.js";
import { clock, iso, MINUTE } from "../../portal/time.js";
import { _, ngettext } from "../../portal/words.js";
import { onZone, viewerZone } from "../../portal/zone.js";
import { drawWait } from "../wait.js";
import { drawAnswer, drawNothing } from "./answers.js";
import { Sentence } from "./sentence.js";
import { askOf, readWish, SORTS, wishOf, writeWish } from "./wish.js";

const SORT_WORDS = () => ({ earliest: _("Earliest"), cheapest: _("Cheapest"), fastest: _("Fastest") });

class Finder {
  constructor(root) {
    this.config = readConfig("find-config");
    this.ahead = Date.parse(this.config.now) - Date.now();
    this.project = this.config.projects[0]?.slug ?? "";
    this.sentence = new Sentence(this);
    this.form = root.querySelector('[data-part="wish"]');
    this.results = root.querySelector('[data-part="results"]');
    this.holds = new Map();
    onZone(() => { this.draw(); if (this.answer) this.drawResults(); });
    window.addEventListener("popstate", () => this.begin());
    window.addEventListener("pagehide", () => this.dropAll());
    this.begin();
  }

  get zone() { return viewerZone(); }

  now() { return Date.now() + this.ahead; }

  begin() {
    this.wish = readWish(location.search);
    const asked = this.wish.lines.length > 0;
    if (!asked) this.wish.lines = [{ count: 1, kind: this.config.catalogue[0]?.kind ?? "gpu", model: "", attributes: {}, better: false }];
    this.draw();
    if (asked) this.search();
  }

  draw() { this.form.replaceChildren(this.sentence.draw()); }

  /** The wish changed: show it, and search when nothing more changes for a moment. */
  changed() {
    const place = this.placeOfFocus();
    this.draw();
    this.form.querySelectorAll("input, select, button, summary")[place]?.focus();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.search(), 350);
  }

  placeOfFocus() { return [...this.form.querySelectorAll("input, select, button, summary")].indexOf(document.activeElement); }

  async search() {
    clearTimeout(this.later);
    history.replaceState(null, "", writeWish(this.wish));
    const ask = askOf(this.wish, this.config.catalogue, this.now());
    this.searched = { from: Math.max(this.wish.from ?? this.now(), this.now()), to: Date.parse(ask.latest) };
    this.turn = (this.turn ?? 0) + 1;
    const { turn } = this;
    this.dropAll();
    const slow = setTimeout(() => this.results.replaceChildren(el("p", { class: "visually-hidden" }, _("Searching…")), ...[1, 2, 3].map(() => el("div", { class: "skeleton block", aria: { hidden: "true" } }))), 300);
    this.results.setAttribute("aria-busy", "true");
    try {
      const answer = await post("find-slot/", { ...ask, sort: this.wish.sort, limit: 10 });
      if (turn !== this.turn) return;
      this.answer = answer;
      this.drawResults();
    } catch (problem) {
      if (turn !== this.turn) return;
      this.answer = null;
      const fields = Object.values(problem.errors ?? {}).flat();
      this.results.replaceChildren(el("div", { class: "note bad", role: "alert" }, el("div", {}, el("strong", {}, _("This could not be searched for")), el("ul", {}, (fields.length ? fields : [problem.message]).map((words) => el("li", {}, words))))),
        el("button", { type: "button", class: "button", onclick: () => this.search() }, _("Try again")));
    } finally {
      clearTimeout(slow);
      if (turn === this.turn) this.results.removeAttribute("aria-busy");
    }
  }

  drawResults() {
    const { slots } = this.answer;
    if (!slots.length) { this.results.replaceChildren(drawNothing(this.answer, this)); return; }
    const order = el("div", { class: "segments", role: "group", aria: { label: _("Order") } }, SORTS.map((sort) => el("button", { type: "button", aria: { pressed: String(sort === this.wish.sort) }, onclick: () => { this.wish.sort = sort; this.search(); } }, SORT_WORDS()[sort])));
    this.results.replaceChildren(
      el("div", { class: "results-head" }, el("h2", {}, el("span", { role: "status" }, ngettext("{count} way", "{count} ways", slots.length))), order),
      ...slots.map((slot) => drawAnswer(slot, this)),
      el("details", { class: "none-fits" }, el("summary", {}, _("None of these fits?")), drawWait(() => this.wishToWaitFor(), this)));
  }

  /** Search for the weaker wish that the portal suggests. */
  relax({ wish }) {
    this.wish = wishOf(wish, { sort: this.wish.sort, from: this.wish.from });
    this.draw();
    this.search();
  }

  /** Return what books exactly this answer; one that begins now begins when it is sent. */
  exactly(slot) {
    const from = Date.parse(slot.starts_at);
    return { ...(from > this.now() + MINUTE / 2 && { starts_at: iso(from) }), ends_at: slot.ends_at, resources: slot.resources.map((resource) => ({ resource })), ...(this.wish.wired && slot.resources.length > 1 && { connected: true }) };
  }

  async hold(slot, said) {
    try {
      const kept = await post("holds/", this.exactly(slot));
      this.holds.set(slot, kept);
      said.textContent = _("Kept free for you until {time}.", { time: clock(this.zone, Date.parse(kept.expires_at)) });
    } catch (problem) {
      said.textContent = problem.message;
    }
  }

  drop(slot, said) {
    const kept = this.holds.get(slot);
    this.holds.delete(slot);
    said.textContent = "";
    if (kept) remove(`holds/${kept.id}/`).catch(() => { /* it runs out by itself */ });
  }

  dropAll() {
    for (const kept of this.holds.values()) remove(`holds/${kept.id}/`).catch(() => { /* it runs out by itself */ });
    this.holds.clear();
  }

  async book(slot, { purpose, trouble, button }) {
    if (!this.project) { trouble.replaceChildren(el("p", { class: "errors", role: "alert" }, _("You are in no project that could book this; ask the leader of one to add you."))); return; }
    button.disabled = true;
    try {
      const made = await post("reservations/", { project: this.project, purpose, ...this.exactly(slot) }, { key: newKey() });
      this.holds.clear();
      location.assign(`/reservations/${made.id}/`);
    } catch (problem) {
      button.disabled = false;
      const reasons = problem.more?.refusals?.map((one) => one.message) ?? [];
      const fields = Object.values(problem.errors ?? {}).flat();
      const lines = reasons.length ? reasons : fields.length ? fields : [problem.message];
      trouble.replaceChildren(el("div", { class: "note bad", role: "alert" }, el("div", {}, el("strong", {}, _("Not booked")), el("ul", {}, lines.map((words) => el("li", {}, words)))),
        problem.status === 409 && el("button", { type: "button", class: "button small", onclick: () => this.search() }, _("Search again"))));
    }
  }

  wishToWaitFor() { return { ...askOf(this.wish, this.config.catalogue, this.now()), project: this.project }; }
}

const root = document.getElementById("find");
if (root) new Finder(root);
