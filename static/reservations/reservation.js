/** The page of a reservation: its line of life, its access, what can be done; kept current by the server's events. */

import { get, newKey, post } from "../portal/api.js";
import { el, icon, readConfig } from "../portal/dom.js";
import { clockWithSeconds, countdownWords, durationWords, iso, MINUTE, momentWords, utcWords, windowWords, zoneWords } from "../portal/time.js";
import { toast } from "../portal/toast.js";
import { _, ngettext } from "../portal/words.js";
import { onZone, viewerZone } from "../portal/zone.js";
import { drawDownloads } from "./access.js";
import { drawRefusal } from "./board/refusal.js";
import { drawEnd, drawMove, furthest } from "./ends.js";
import { drawHistory } from "./history.js";
import { drawKeyless, isReachedBySsh, watchKeys } from "./keyless.js";
import { Passing } from "./handover.js";
import { drawLease } from "./lease.js";
import { drawWholeLife } from "./life.js";
import { PHASE_PATTERN, PHASE_WORDS } from "./states.js";
import { UsePanels } from "./use.js";
import { drawWiring } from "./wiring.js";

const POLL = 10_000;
const QUIET = 45_000;
const ANNOUNCED = [1, 5, 15, 30, 60];

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
      else this.part("body").replaceChildren(el("div", { class: "block empty" }, el("strong", {}, problem.status === 404 ? _("There is no such reservation, or it is not yours to see.") : _("The reservation could not be loaded.")), el("p", {}, problem.message), el("button", { type: "button", class: "button", onclick: () => this.load() }, _("Try again"))));
    } finally {
      this.loading = false;
      if (this.again) { this.again = false; this.load(); }
    }
  }

  showStale() {
    const stale = this.part("stale");
    stale.hidden = false;
    stale.replaceChildren(el("span", {}, _("Not updating. As of {time}. Your lease is not touched by this.", { time: clockWithSeconds(viewerZone(), this.loadedAt) })), el("button", { type: "button", class: "button small", onclick: () => this.load() }, _("Try again")));
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
    node.textContent = now < from ? _("starts in {time}", { time: countdownWords(from - now) }) : now < to ? _("{time} left", { time: countdownWords(to - now) }) : _("the window is over");
    this.announce(now < from ? from - now : to - now, now < from, now < to);
  }

  /** Say to who does not see the clock what it shows, at a few moments and no oftener. */
  announce(left, ahead, going) {
    const mark = going ? ANNOUNCED.find((minutes) => left <= minutes * MINUTE && left > (minutes - 1) * MINUTE) : null;
    const key = mark && `${ahead}-${mark}`;
    if (!key || key === this.announced) return;
    this.announced = key;
    this.part("announce").textContent = ahead ? ngettext("Starts in a minute.", "Starts in {count} minutes.", mark) : ngettext("A minute left.", "{count} minutes left.", mark);
  }

  // Drawing

  draw() {
    const { reservation } = this;
    if (!reservation) return;
    const zone = viewerZone();
    const from = Date.parse(reservation.starts_at);
    const to = Date.parse(reservation.ends_at);
    document.title = `${reservation.purpose || _("Reservation")} · SHARY`;
    const open = [...this.root.querySelectorAll("details[open][id]")].map((node) => node.id);
    this.part("head").replaceChildren(
      el("div", { class: "page-head" },
        el("h1", {}, reservation.purpose || _("Reservation")),
        el("span", { class: "state big" }, el("span", { class: "swatch", data: { state: PHASE_PATTERN[reservation.phase], mine: "1" }, aria: { hidden: "true" } }), PHASE_WORDS[reservation.phase] ?? reservation.phase),
        el("span", { class: "countdown end", data: { part: "countdown" } })),
      el("p", { class: "summary" }, el("span", { title: `${utcWords(from)} – ${utcWords(to)}` }, windowWords(zone, from, to)), el("span", { class: "quiet" }, ` ${zoneWords(zone)} · ${durationWords(to - from)} · ${reservation.project_name} · ${reservation.holder}`)));
    const alone = reservation.leases.length === 1;
    const reload = (lease) => () => { this.text = null; document.getElementById(`replace-${lease.id}`)?.removeAttribute("open"); this.load(); };
    this.part("body").replaceChildren(...[
      this.drawKeyless(), this.drawWhole(zone), this.drawActions(), drawWiring(reservation.links, { devices: reservation.leases }),
      ...reservation.leases.map((lease) => drawLease(lease, { zone, now: this.now(), alone, project: reservation.project, reload: reload(lease), use: this.use.panel(lease, { zone }), act: (verb, body) => this.actOnLease(lease, verb, body) })),
      this.passing.node, drawHistory(reservation, zone),
    ].filter(Boolean));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    this.tick();
    if (!this.jumped && location.hash === "#access") this.root.querySelector(".access, #access")?.scrollIntoView({ block: "start" });
    this.jumped = true;
  }

  /** All devices together: where they are, what can be saved, and at the end that they were proven clean. */
  drawWhole(zone) {
    const { reservation } = this;
    const { leases } = reservation;
    const proven = leases.filter((lease) => lease.status === "RELEASED" && lease.proof?.is_clean);
    const over = reservation.phase === "over" && proven.length > 0;
    const last = Math.max(...proven.map((lease) => Date.parse(lease.proof.verified_at)));
    return el("section", { class: "block", aria: { label: _("The reservation") } }, el("div", { class: "block-body stack" },
      drawWholeLife(reservation, zone, this.now()),
      over && el("p", { class: "proof-head" }, icon("check"), el("span", {}, ngettext("Its device was proven clean.", "All {count} devices were proven clean.", proven.length), el("span", { class: "quiet" }, ` ${momentWords(zone, last)}`))),
      drawDownloads(reservation)));
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
    return el("section", { class: "block", aria: { label: _("What you can do") } }, el("div", { class: "block-body" }, this.actions, this.answer));
  }

  showActions() {
    const { can = {} } = this.reservation;
    const button = (words, onclick, kind = "") => el("button", { type: "button", class: `button ${kind}`, onclick }, words);
    const { latest_end, ends_at } = this.reservation;
    const longer = can.extend && latest_end && Date.parse(latest_end) > Date.parse(ends_at);
    this.actions.replaceChildren(...[
      longer && button(_("Extend…"), () => this.askEnd("extend")),
      can.shorten && button(_("Shorten…"), () => this.askEnd("shorten")),
      can.move && button(_("Move…"), () => this.askMove()),
      can.end && button(_("End now…"), () => this.confirm(_("End the lease now? Access is cut within seconds, and what is on the devices is erased."), _("End now"), "end", _("Ended. The devices are being cleaned.")), "danger"),
      can.cancel && !can.end && button(_("Cancel…"), () => this.confirm(_("Cancel this reservation for good? The devices become free for others, and the window may be gone if you change your mind."), _("Cancel it"), "cancel", _("Cancelled. The devices are free for others.")), "danger"),
      can.extend && el("span", { class: "quiet latest" }, furthest(this.reservation, viewerZone())),
    ].filter(Boolean));
    this.answer.replaceChildren();
  }

  confirm(question, words, verb, done) {
    const yes = el("button", { type: "button", class: "button danger", onclick: () => this.act(verb, {}, done) }, words);
    this.actions.replaceChildren(el("span", {}, question), yes, el("button", { type: "button", class: "button", onclick: () => this.showActions() }, _("Keep it")));
    yes.focus();
  }

  askEnd(verb) {
    const zone = viewerZone();
    const { form, input } = drawEnd(verb, this.reservation, {
      zone, now: this.now(), leave: () => this.showActions(),
      send: (ms) => this.act(verb, { ends_at: iso(ms) }, _("It now ends {time}.", { time: momentWords(zone, ms) }), { verb: verb === "extend" ? "shorten" : "extend", body: { ends_at: this.reservation.ends_at } }),
    });
    this.actions.replaceChildren(form);
    input.focus();
  }

  askMove() {
    const zone = viewerZone();
    const { starts_at, ends_at } = this.reservation;
    const { form, input } = drawMove(this.reservation, {
      zone, leave: () => this.showActions(),
      send: (from, to) => this.act("move", { starts_at: iso(from), ends_at: iso(to) }, _("It is now {window}.", { window: windowWords(zone, from, to) }), { verb: "move", body: { starts_at, ends_at } }),
    });
    this.actions.replaceChildren(form);
    input.focus();
  }

  async act(verb, body, done, back = null) {
    for (const button of this.actions.querySelectorAll("button")) button.disabled = true;
    try {
      await post(`reservations/${this.id}/${verb}/`, body, { key: newKey() });
      toast(done, back ? { undo: () => this.act(back.verb, back.body, _("Taken back.")) } : {});
      this.text = null;
      await this.load();
    } catch (problem) {
      for (const button of this.actions.querySelectorAll("button")) button.disabled = false;
      const refusal = drawRefusal(problem, { zone: viewerZone(), onTake: ({ from, to }) => (verb === "move" ? this.act("move", { starts_at: iso(from), ends_at: iso(to) }, _("Moved.")) : this.act("extend", { ends_at: iso(to) }, _("Extended."))) });
      if (problem.status === 409) { refusal.querySelector("strong").textContent = _("Not changed"); if (verb !== "move") refusal.querySelector(".alternatives")?.remove(); }
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
