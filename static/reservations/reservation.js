/** The page of a reservation: its line of life, its access, what can be done; kept current by the server's events. */

import { get, newKey, post } from "../portal/api.js";
import { el, readConfig } from "../portal/dom.js";
import { clock, clockWithSeconds, countdownWords, durationWords, fromInput, HOUR, iso, momentWords, MINUTE, toInput, utcWords, windowWords, zoneWords } from "../portal/time.js";
import { toast } from "../portal/toast.js";
import { onZone, viewerZone } from "../portal/zone.js";
import { drawRefusal } from "./board/refusal.js";
import { drawKeyless, isReachedBySsh, watchKeys } from "./keyless.js";
import { Passing } from "./handover.js";
import { drawLease } from "./lease.js";
import { PHASE_PATTERN, PHASE_WORDS } from "./states.js";
import { UsePanels } from "./use.js";
import { drawWiring } from "./wiring.js";

const POLL = 10_000;
const QUIET = 45_000;

class ReservationPage {
  constructor(root) {
    this.root = root;
    this.id = root.dataset.reservation;
    this.config = readConfig("reservation-config");
    this.drift = this.config.now ? Date.parse(this.config.now) - Date.now() : 0;
    this.use = new UsePanels(() => this.now());
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.passing = new Passing({ id: this.id, reload: () => { this.text = null; this.load(); } });
    this.load();
    this.listen();
  }

  now() { return Date.now() + this.drift; }

  async load() {
    if (this.loading) { this.again = true; return; }
    this.loading = true;
    try {
      const reservation = await get(`reservations/${this.id}/`);
      this.loadedAt = Date.now();
      this.part("stale").hidden = true;
      // A new version alone says that there are new measurements: no form that is being filled is drawn anew.
      const text = JSON.stringify({ ...reservation, version: 0 });
      this.reservation = reservation;
      if (text !== this.text) { this.text = text; this.draw(); }
      this.passing.show(reservation, this.config.user?.username);
      this.use.refresh();
    } catch (problem) {
      if (this.reservation) this.showStale();
      else this.part("body").replaceChildren(el("div", { class: "block empty" }, el("strong", {}, problem.status === 404 ? "There is no such reservation, or it is not yours to see." : "The reservation could not be loaded."), el("p", {}, problem.message), el("button", { type: "button", class: "button", onclick: () => this.load() }, "Try again")));
    } finally {
      this.loading = false;
      if (this.again) { this.again = false; this.load(); }
    }
  }

  showStale() {
    const stale = this.part("stale");
    stale.hidden = false;
    stale.replaceChildren(el("span", {}, `Not updating. As of ${clockWithSeconds(viewerZone(), this.loadedAt)}. Your lease is not touched by this.`), el("button", { type: "button", class: "button small", onclick: () => this.load() }, "Try again"));
  }

  /** Events say that something changed; while none can come, ask every few seconds. */
  listen() {
    if (window.EventSource) {
      this.events = new EventSource(`/reservations/${this.id}/stream/`);
      this.events.addEventListener("change", () => { this.heard = Date.now(); this.load(); });
      this.events.addEventListener("open", () => { this.heard = Date.now(); });
    }
    setInterval(() => {
      if (document.hidden) return;
      const live = this.events?.readyState === 1;
      if (Date.now() - (this.loadedAt ?? 0) > (live ? QUIET : POLL)) this.load();
    }, POLL / 2);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.load(); });
    setInterval(() => this.tick(), 1000);
    onZone(() => this.draw());
    watchKeys(this.config, () => this.draw());
  }

  tick() {
    const node = this.part("countdown");
    if (!node || !this.reservation) return;
    const { starts_at, ends_at, phase } = this.reservation;
    const now = this.now();
    const [from, to] = [Date.parse(starts_at), Date.parse(ends_at)];
    if (["cancelled", "rejected", "over"].includes(phase)) { node.textContent = ""; return; }
    node.textContent = now < from ? `starts in ${countdownWords(from - now)}` : now < to ? `${countdownWords(to - now)} left` : "the window is over";
  }

  // Drawing

  draw() {
    const { reservation } = this;
    if (!reservation) return;
    const zone = viewerZone();
    const from = Date.parse(reservation.starts_at);
    const to = Date.parse(reservation.ends_at);
    document.title = `${reservation.purpose || "Reservation"} · SHARY`;
    const open = [...this.root.querySelectorAll("details[open][id]")].map((node) => node.id);
    this.part("head").replaceChildren(
      el("div", { class: "page-head" },
        el("h1", {}, reservation.purpose || "Reservation"),
        el("span", { class: "state big" }, el("span", { class: "swatch", data: { state: PHASE_PATTERN[reservation.phase], mine: "1" }, aria: { hidden: "true" } }), PHASE_WORDS[reservation.phase] ?? reservation.phase),
        el("span", { class: "countdown end", data: { part: "countdown" } })),
      el("p", { class: "summary" }, el("span", { title: `${utcWords(from)} – ${utcWords(to)}` }, windowWords(zone, from, to)), el("span", { class: "quiet" }, ` ${zoneWords(zone)} · ${durationWords(to - from)} · ${reservation.project_name} · ${reservation.holder}`)));
    const actions = this.drawActions();
    this.part("body").replaceChildren(this.drawKeyless(), actions, drawWiring(reservation.links, { devices: reservation.leases }), ...reservation.leases.map((lease) => drawLease(lease, { zone, now: this.now(), project: reservation.project, reload: () => { this.text = null; document.getElementById(`replace-${lease.id}`)?.removeAttribute("open"); this.load(); }, use: this.use.panel(lease, { zone }), act: (verb, body) => this.actOnLease(lease, verb, body) })), this.passing.node);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    this.tick();
  }

  /** Keys of the holder are put on the devices, nobody else's. */
  drawKeyless() {
    const { leases, holder } = this.reservation;
    const missing = this.config.has_ssh_key === false && this.config.user?.username === holder;
    const ahead = leases.some((lease) => ["REQUESTED", "SCHEDULED", "PROVISIONING", "ACTIVE"].includes(lease.status)
      && (isReachedBySsh(lease.kind) || lease.access?.endpoints.some((endpoint) => endpoint.protocol === "ssh")));
    return missing && ahead ? drawKeyless() : "";
  }

  drawActions() {
    const { reservation } = this;
    const { can = {} } = reservation;
    if (!Object.values(can).some(Boolean)) return "";
    this.answer = el("div", { class: "answer", role: "status" });
    this.actions = el("div", { class: "actions" });
    this.showActions();
    return el("section", { class: "block", aria: { label: "What you can do" } }, el("div", { class: "block-body" }, this.actions, this.answer));
  }

  showActions() {
    const { can = {} } = this.reservation;
    const button = (words, onclick, kind = "") => el("button", { type: "button", class: `button ${kind}`, onclick }, words);
    this.actions.replaceChildren(...[
      can.extend && this.reservation.latest_end && Date.parse(this.reservation.latest_end) > Date.parse(this.reservation.ends_at) && button("Extend…", () => this.askEnd("extend")),
      can.shorten && button("Shorten…", () => this.askEnd("shorten")),
      can.end && button("End now…", () => this.confirm("End the lease now? Access is cut within seconds, and what is on the devices is erased.", "End now", "end", "Ended. The devices are being cleaned."), "danger"),
      can.cancel && !can.end && button("Cancel…", () => this.confirm("Cancel this reservation for good? The devices become free for others, and the window may be gone if you change your mind.", "Cancel it", "cancel", "Cancelled. The devices are free for others."), "danger"),
    ].filter(Boolean));
    this.answer.replaceChildren();
  }

  confirm(question, words, verb, done) {
    const yes = el("button", { type: "button", class: "button danger", onclick: () => this.act(verb, {}, done) }, words);
    this.actions.replaceChildren(el("span", {}, question), yes, el("button", { type: "button", class: "button", onclick: () => this.showActions() }, "Keep it"));
    yes.focus();
  }

  askEnd(verb) {
    const { reservation } = this;
    const zone = viewerZone();
    const to = Date.parse(reservation.ends_at);
    const from = Math.max(Date.parse(reservation.starts_at), this.now());
    const latest = reservation.latest_end ? Date.parse(reservation.latest_end) : null;
    const suggested = verb === "extend" ? Math.min(to + HOUR, latest ?? Infinity) : Math.max(to - HOUR, from + 5 * MINUTE);
    const input = el("input", { type: "datetime-local", id: "new-end", step: "300", value: toInput(zone, suggested) });
    const send = (ms) => this.act(verb, { ends_at: iso(ms) }, `It now ends ${momentWords(zone, ms)}.`, to);
    const choices = verb === "extend"
      ? [[1, "1 h"], [2, "2 h"], [4, "4 h"], [8, "8 h"]].filter(([hours]) => !latest || to + hours * HOUR <= latest).map(([hours, words]) => el("button", { type: "button", class: "button", onclick: () => send(to + hours * HOUR) }, `+ ${words}, to ${clock(zone, to + hours * HOUR)}`))
      : [];
    if (verb === "extend" && latest && latest > to) choices.push(el("button", { type: "button", class: "button", onclick: () => send(latest) }, `As long as possible, to ${momentWords(zone, latest)}`));
    const form = el("form", { class: "stack end-form", onsubmit: (event) => { event.preventDefault(); const ms = fromInput(zone, input.value); if (!Number.isNaN(ms)) send(ms); } },
      choices.length > 0 && el("div", { class: "actions" }, choices),
      el("div", { class: "field" }, el("label", { for: "new-end" }, `New end, ${zoneWords(zone)}`), input),
      el("p", { class: "help" }, verb === "extend" ? (latest ? `At most until ${momentWords(zone, latest)}: then somebody else comes, or the site's policy ends it.` : "It is checked like a new booking.") : "The rest becomes free for others. Access is cut at the new end."),
      el("div", { class: "actions" }, el("button", { type: "submit", class: "button primary" }, verb === "extend" ? "Extend" : "Shorten"), el("button", { type: "button", class: "button", onclick: () => this.showActions() }, "Leave it as it is")));
    this.actions.replaceChildren(form);
    input.focus();
  }

  async act(verb, body, done, before = null) {
    for (const button of this.actions.querySelectorAll("button")) button.disabled = true;
    try {
      await post(`reservations/${this.id}/${verb}/`, body, { key: newKey() });
      toast(done, before && ["extend", "shorten"].includes(verb) ? { undo: () => this.act(verb === "extend" ? "shorten" : "extend", { ends_at: iso(before) }, "Taken back.") } : {});
      this.text = null;
      await this.load();
    } catch (problem) {
      for (const button of this.actions.querySelectorAll("button")) button.disabled = false;
      const refusal = drawRefusal(problem, { zone: viewerZone(), onTake: ({ to }) => this.act("extend", { ends_at: iso(to) }, "Extended.") });
      if (problem.status === 409) { refusal.querySelector("strong").textContent = "Not changed"; refusal.querySelector(".alternatives")?.remove(); }
      this.answer.replaceChildren(refusal);
    }
  }

  async actOnLease(lease, verb, body) {
    try {
      await post(`leases/${lease.id}/${verb}/`, body, { key: newKey() });
      this.text = null;
      await this.load();
    } catch (problem) {
      toast(problem.message, { seconds: 10 });
    }
  }
}

const root = document.getElementById("reservation");
if (root) root.page = new ReservationPage(root);
