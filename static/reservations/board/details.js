/** What an entry is, in the panel: for one's own with the ways to change it. */

import { copyButton, el } from "../../portal/dom.js";
import { durationWords, fromInput, momentWords, toInput, utcWords, windowWords, zoneWords } from "../../portal/time.js";
import { toast } from "../../portal/toast.js";
import { PHASE_PATTERN, PHASE_WORDS, STATE_WORDS } from "../states.js";
import { drawWarnings } from "../warnings.js";
import { act, fetchReservation } from "./api.js";
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
    const title = entry.fresh ? (this.reservation.phase === "asked" ? "Asked for approval" : "Booked") : this.reservation ? this.reservation.purpose || "Reservation" : entryTitle(entry);
    this.board.panel.show({ title, body, owner: this, focus, redraw: () => this.draw() });
  }

  windowFacts(from, to) {
    const { zone } = this.board.state;
    return [
      el("dt", {}, "When"),
      el("dd", {}, el("span", { title: `${utcWords(from)} – ${utcWords(to)}` }, windowWords(zone, from, to)), el("span", { class: "quiet" }, ` ${zoneWords(zone)} · `, el("span", { class: "nowrap" }, durationWords(to - from)))),
    ];
  }

  drawEntry(entry) {
    const { board } = this;
    const row = board.rowOf(entry.row);
    const { zone } = board.state;
    const foreign = row && row.site_time_zone !== zone;
    return el("div", { class: "stack" },
      el("dl", { class: "facts" },
        el("dt", {}, "State"), el("dd", {}, drawState(patternOf(entry), stateWord(entry))),
        el("dt", {}, "Device"), el("dd", {}, el("a", { href: `/resources/${entry.row}/` }, board.nameOf(entry.row))),
        entry.who && [el("dt", {}, "Who"), el("dd", {}, entry.who)],
        this.windowFacts(entry.starts_at, entry.ends_at),
        foreign && [el("dt", {}, `In ${row.site_name}`), el("dd", {}, windowWords(row.site_time_zone, entry.starts_at, entry.ends_at), el("span", { class: "quiet" }, ` ${zoneWords(row.site_time_zone)}`))],
        entry.occupied_to > entry.ends_at && [el("dt", {}, "Free again"), el("dd", {}, momentWords(zone, entry.occupied_to), el("span", { class: "quiet" }, " after clean-up"))]),
      entry.via && el("p", { class: "help" }, "Taken along with the device it is part of, or with one of its parts."),
      entry.reservation && !this.problem && el("p", { class: "quiet", role: "status" }, "Loading the reservation…"),
      !entry.mine && entry.type !== "maintenance" && el("p", {}, el("button", { type: "button", class: "button", onclick: () => board.booking.begin({ rows: [entry.row], from: entry.occupied_to, to: entry.occupied_to + (entry.ends_at - entry.starts_at), focus: true }) }, "Book it afterwards")),
      this.problem);
  }

  drawReservation(reservation) {
    const { can = {} } = reservation;
    const from = Date.parse(reservation.starts_at);
    const to = Date.parse(reservation.ends_at);
    const now = this.board.now();
    const movable = can.move ?? (from > now && reservation.leases.every((lease) => ["REQUESTED", "SCHEDULED"].includes(lease.status)));
    return el("div", { class: "stack" },
      el("dl", { class: "facts" },
        el("dt", {}, "State"), el("dd", {}, drawState(PHASE_PATTERN[reservation.phase], PHASE_WORDS[reservation.phase] ?? reservation.phase)),
        this.windowFacts(from, to),
        el("dt", {}, "Devices"), el("dd", {}, el("ul", {}, reservation.leases.map((lease) => el("li", {}, `${lease.site_name} · ${lease.resource_name}`, el("span", { class: "quiet" }, ` ${STATE_WORDS[lease.status.toLowerCase()] ?? lease.status}`))))),
        reservation.purpose && [el("dt", {}, "Purpose"), el("dd", {}, reservation.purpose)],
        el("dt", {}, "Number"), el("dd", { class: "copy-line" }, el("code", {}, reservation.id.slice(0, 8)), copyButton(reservation.id, "the number of the reservation"))),
      drawWarnings(reservation.leases.flatMap((lease) => lease.warnings ?? [])),
      el("div", { class: "actions" },
        el("a", { class: "button primary", href: `/reservations/${reservation.id}/` }, "Open the reservation"),
        can.cancel && this.cancelButton(reservation)),
      (movable || can.extend || can.shorten) && can.cancel !== undefined && this.drawChange(reservation, { from, to, movable }),
      this.problem);
  }

  cancelButton(reservation) {
    const line = el("span", { class: "confirm" });
    const asking = () => {
      line.replaceChildren(el("span", {}, "Cancel it for good?"),
        el("button", { type: "button", class: "button danger", onclick: async () => {
          try {
            await act(reservation.id, "cancel");
            toast("Cancelled. The devices are free for others.");
            this.board.panel.close();
          } catch (problem) { this.problem = drawRefusal(problem, { zone: this.board.state.zone }); this.draw(); }
          this.board.refresh();
        } }, "Yes, cancel it"),
        el("button", { type: "button", class: "button", onclick: calm }, "Keep it"));
      line.querySelector("button").focus();
    };
    const calm = () => line.replaceChildren(el("button", { type: "button", class: "button danger", onclick: asking }, "Cancel…"));
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
      if (window.from !== from || window.to !== to) this.board.drag.change(entry, window.from, window.to);
    };
    return el("details", { class: "change" }, el("summary", {}, "Change the window"),
      el("form", { class: "stack", onsubmit: submit },
        el("div", { class: "pair" },
          el("div", { class: "field" }, el("label", { for: "change-start" }, "From"), start),
          el("div", { class: "field" }, el("label", { for: "change-end" }, "To"), end)),
        el("p", { class: "help" }, `Times in ${zoneWords(zone)}.${latest ? ` At most until ${momentWords(zone, latest)}.` : ""}`),
        el("div", {}, el("button", { type: "submit", class: "button" }, "Change"))));
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
      onTake: ({ from, to }) => board.drag.change(entry, from, to),
    });
    const strong = this.problem.querySelector("strong");
    if (problem.status === 409) strong.textContent = `Not changed to ${windowWords(board.state.zone, asked.from, asked.to)}`;
    this.draw();
    if (!had) { const said = this.problem; this.reload().then(() => { this.problem = said; this.draw(); }); }
  }
}

