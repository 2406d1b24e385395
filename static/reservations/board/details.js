/** What an entry is, in the panel: for one's own with the ways to change it. */

import { copyButton, el } from "../../portal/dom.js";
import { durationWords, fromInput, momentWords, toInput, utcWords, windowWords, zoneWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { PHASE_PATTERN, PHASE_WORDS, STATE_WORDS } from "../states.js";
import { drawWarnings } from "../warnings.js";
import { fetchReservation } from "./api.js";
import { cancelReservation, changeWindow } from "./changes.js";
import { entryTitle, patternOf, stateWord } from "./entries.js";
import { drawRefusal } from "./refusal.js";

export function drawState(pattern, word) {
  return el("span", { class: "state" }, el("span", { class: "swatch", data: { state: pattern, mine: "1" }, aria: { hidden: "true" } }), word);
}

export class Details {
  constructor(board) {
    this.board = board;
    this.showing = null;
  }

  left() { this.showing = null; }

  /** Show an entry; of one's own, the whole reservation is fetched. */
  async show(entry, { reservation = null, focus = false } = {}) {
    this.showing = entry;
    this.reservation = reservation;
    this.problem = null;
    this.draw({ focus });
    if (entry.reservation && !reservation) await this.reload();
  }

  async reload() {
    const entry = this.showing;
    if (!entry?.reservation) return;
    try {
      const reservation = await fetchReservation(entry.reservation);
      if (this.showing !== entry) return;
      this.reservation = reservation;
      this.draw();
    } catch (problem) {
      this.problem = drawRefusal(problem, { zone: this.board.state.zone });
      this.draw();
    }
  }

  draw({ focus = false } = {}) {
    const entry = this.showing;
    const body = this.reservation ? this.drawReservation(this.reservation) : this.drawEntry(entry);
    const title = entry.fresh ? (this.reservation.phase === "asked" ? _("Asked for approval") : _("Booked")) : this.reservation ? this.reservation.purpose || _("Reservation") : entryTitle(entry);
    this.board.panel.show({ title, body, owner: this, focus, redraw: () => this.draw() });
  }

  windowFacts(from, to) {
    const { zone } = this.board.state;
    return [
      el("dt", {}, _("When")),
      el("dd", {}, el("span", { title: `${utcWords(from)} – ${utcWords(to)}` }, windowWords(zone, from, to)), el("span", { class: "quiet" }, ` ${zoneWords(zone)} · `, el("span", { class: "nowrap" }, durationWords(to - from)))),
    ];
  }

  drawEntry(entry) {
    const { board } = this;
    const row = board.rowOf(entry.row);
    const { zone } = board.state;
    const foreign = row && row.site_time_zone !== zone;
    const free = this.nextFree(entry);
    const length = entry.ends_at - entry.starts_at;
    const others = !entry.mine && entry.type !== "maintenance";
    return el("div", { class: "stack" },
      el("dl", { class: "facts" },
        el("dt", {}, _("State")), el("dd", {}, drawState(patternOf(entry), stateWord(entry))),
        el("dt", {}, _("Device")), el("dd", {}, el("a", { href: `/resources/${entry.row}/` }, board.nameOf(entry.row))),
        entry.who && [el("dt", {}, _("Who")), el("dd", {}, entry.who)],
        entry.project && [el("dt", {}, _("Project")), el("dd", {}, entry.project)],
        this.windowFacts(entry.starts_at, entry.ends_at),
        foreign && [el("dt", {}, _("In {site}", { site: row.site_name })), el("dd", {}, windowWords(row.site_time_zone, entry.starts_at, entry.ends_at), el("span", { class: "quiet" }, ` ${zoneWords(row.site_time_zone)}`))],
        entry.type === "hold" && entry.expires_at && [el("dt", {}, _("Held until")), el("dd", {}, momentWords(zone, Date.parse(entry.expires_at)))],
        entry.occupied_from < entry.starts_at && [el("dt", {}, _("Preparation")), el("dd", {}, _("from {moment}", { moment: momentWords(zone, entry.occupied_from) }))],
        entry.occupied_to > entry.ends_at && [el("dt", {}, _("Clean-up")), el("dd", {}, _("until {moment}", { moment: momentWords(zone, entry.occupied_to) }))],
        entry.type !== "hold" && [el("dt", {}, _("Next free")), el("dd", {}, free === null ? _("not within the days shown") : momentWords(zone, free))]),
      entry.via && el("p", { class: "help" }, _("Taken along with the device it is part of, or with one of its parts.")),
      entry.type === "hold" && others && el("p", { class: "help" }, _("Somebody is about to book it. If they do not, it is free again in some minutes.")),
      others && !entry.reservation && entry.type === "lease" && el("p", { class: "help" }, _("Who has it is for members of its project and for operators of the site.")),
      entry.reservation && !this.problem && el("p", { class: "quiet", role: "status" }, _("Loading the reservation…")),
      others && el("div", { class: "actions" },
        free !== null && el("button", { type: "button", class: "button", onclick: () => board.booking.begin({ rows: [entry.row], from: free, to: free + length, focus: true }) }, _("Book it afterwards")),
        entry.type === "lease" && entry.starts_at > board.now() && el("button", { type: "button", class: "button", title: _("Say that you want this very window; where the wait list is offered, you are told when it comes free."), onclick: () => board.booking.begin({ rows: [entry.row], from: entry.starts_at, to: entry.ends_at, focus: true }) }, _("I need this window"))),
      this.problem);
  }

  /** Return when the device is free again for as long as this entry, as far as the days on the screen tell. */
  nextFree(entry) {
    const { board } = this;
    const length = entry.ends_at - entry.starts_at;
    let at = Math.max(entry.occupied_to, board.now());
    for (const other of [...board.calendar.entriesOf(entry.row)].sort((a, b) => a.occupied_from - b.occupied_from)) {
      if (other.occupied_to <= at) continue;
      if (other.occupied_from >= at + length) break;
      at = other.occupied_to;
    }
    return at < board.range.to ? board.scale.snap(at, 5, Math.ceil) : null;
  }

  drawReservation(reservation) {
    const { can = {} } = reservation;
    const from = Date.parse(reservation.starts_at);
    const to = Date.parse(reservation.ends_at);
    const now = this.board.now();
    const movable = can.move ?? (from > now && reservation.leases.every((lease) => ["REQUESTED", "SCHEDULED"].includes(lease.status)));
    return el("div", { class: "stack" },
      el("dl", { class: "facts" },
        el("dt", {}, _("State")), el("dd", {}, drawState(PHASE_PATTERN[reservation.phase], PHASE_WORDS[reservation.phase] ?? reservation.phase)),
        this.windowFacts(from, to),
        el("dt", {}, _("Devices")), el("dd", {}, el("ul", {}, reservation.leases.map((lease) => el("li", {}, `${lease.site_name} · ${lease.resource_name}`, el("span", { class: "quiet" }, ` ${STATE_WORDS[lease.status.toLowerCase()] ?? lease.status}`))))),
        reservation.purpose && [el("dt", {}, _("Purpose")), el("dd", {}, reservation.purpose)],
        el("dt", {}, _("Number")), el("dd", { class: "copy-line" }, el("code", {}, reservation.id.slice(0, 8)), copyButton(reservation.id, _("the number of the reservation")))),
      drawWarnings(reservation.leases.flatMap((lease) => lease.warnings ?? [])),
      el("div", { class: "actions" },
        el("a", { class: "button primary", href: `/reservations/${reservation.id}/` }, _("Open the reservation")),
        can.cancel && this.cancelButton(reservation)),
      (movable || can.extend || can.shorten) && can.cancel !== undefined && this.drawChange(reservation, { from, to, movable }),
      this.problem);
  }

  cancelButton(reservation) {
    const line = el("span", { class: "confirm" });
    const asking = () => {
      line.replaceChildren(el("span", {}, _("Cancel it for good?")),
        el("button", { type: "button", class: "button danger", onclick: async () => {
          try {
            await cancelReservation(this.board, reservation);
            this.board.panel.close();
          } catch (problem) { this.problem = drawRefusal(problem, { zone: this.board.state.zone }); this.draw(); }
          this.board.refresh();
        } }, _("Yes, cancel it")),
        el("button", { type: "button", class: "button", onclick: calm }, _("Keep it")));
      line.querySelector("button").focus();
    };
    const calm = () => line.replaceChildren(el("button", { type: "button", class: "button danger", onclick: asking }, _("Cancel…")));
    calm();
    return line;
  }

  /** Every drag has its equal: the same change by two inputs. */
  drawChange(reservation, { from, to, movable }) {
    const { zone } = this.board.state;
    const start = el("input", { type: "datetime-local", id: "change-start", step: "300", value: toInput(zone, from), disabled: !movable });
    const end = el("input", { type: "datetime-local", id: "change-end", step: "300", value: toInput(zone, to) });
    const latest = reservation.latest_end && Date.parse(reservation.latest_end);
    const submit = (event) => {
      event.preventDefault();
      const window = { from: fromInput(zone, start.value), to: fromInput(zone, end.value) };
      const entry = { reservation: reservation.id, starts_at: from, ends_at: to, state: movable ? "scheduled" : "active", mine: true };
      if (window.from !== from || window.to !== to) changeWindow(this.board, entry, window.from, window.to);
    };
    return el("details", { class: "change" }, el("summary", {}, _("Change the window")),
      el("form", { class: "stack", onsubmit: submit },
        el("div", { class: "pair" },
          el("div", { class: "field" }, el("label", { for: "change-start" }, _("From")), start),
          el("div", { class: "field" }, el("label", { for: "change-end" }, _("To")), end)),
        el("p", { class: "help" }, _("Times in {zone}.", { zone: zoneWords(zone) }), latest && ` ${_("At most until {moment}.", { moment: momentWords(zone, latest) })}`),
        el("div", {}, el("button", { type: "submit", class: "button" }, _("Change")))));
  }

  /** A change was refused: say why, and offer what would work. */
  refused(entry, problem, asked) {
    const { board } = this;
    const known = this.showing?.reservation === entry.reservation ? this.showing : entry;
    const had = this.reservation?.id === entry.reservation ? this.reservation : null;
    this.showing = known;
    this.reservation = had;
    this.problem = drawRefusal(problem, {
      zone: board.state.zone, asked, nameOf: (id) => board.nameOf(id),
      onTake: ({ from, to }) => changeWindow(board, entry, from, to),
    });
    const strong = this.problem.querySelector("strong");
    if (problem.status === 409) strong.textContent = _("Not changed to {window}", { window: windowWords(board.state.zone, asked.from, asked.to) });
    this.draw();
    if (!had) { const said = this.problem; this.reload().then(() => { this.problem = said; this.draw(); }); }
  }
}

