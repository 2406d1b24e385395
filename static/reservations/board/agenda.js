/** The same calendar as a list: for phones, and for people who read the board by ear. */

import { el } from "../../portal/dom.js";
import { addDays, clock, dayWords, HOUR, MINUTE, momentWords, partsIn, startOfDay, startOfWeek, weekdayWords, zoneWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { healthOf, healthWhy, kindWords, modelBeside } from "../states.js";
import { entryTitle, patternOf, stateWord } from "./entries.js";

const STEP = 30;

export class Agenda {
  constructor(board, node) {
    this.board = board;
    this.node = node;
    this.shownRows = STEP;
  }

  /** Return the places of the rows that are listed. */
  places() { return Array.from({ length: Math.min(this.shownRows, this.board.calendar.total ?? this.shownRows) }, (_none, place) => place); }

  render(version) {
    if (this.shown === version) return;
    this.shown = version;
    const { board } = this;
    const { zone } = board.state;
    const rows = this.places().map((place) => board.calendar.rowAt(place)).filter(Boolean);
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    const sections = [];
    let site = null;
    let list = null;
    for (const row of rows) {
      if (row.site !== site) {
        site = row.site;
        list = el("ul", { class: "agenda-list" });
        const silent = board.silentSince(site);
        sections.push(el("section", { aria: { labelledby: `agenda-${site}` } },
          el("h2", { id: `agenda-${site}` }, row.site_name, row.site_time_zone !== zone && el("span", { class: "quiet" }, ` ${zoneWords(row.site_time_zone)}`)),
          silent && el("p", { class: "note warn" }, silent), list));
      }
      list.append(this.drawDevice(row));
    }
    this.node.replaceChildren(this.drawDays(), ...(rows.length ? [el("p", { class: "help agenda-zone" }, _("Times in {zone}.", { zone: zoneWords(zone) }))] : []), ...sections,
      this.shownRows < (board.calendar.total ?? 0)
        ? el("button", { type: "button", class: "button", data: { focus: "more" }, onclick: () => { this.shownRows += STEP; board.redraw(); } }, _("Show more devices")) : "");
    if (focused) this.node.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  drawDays() {
    const { board } = this;
    const { zone, date } = board.state;
    const today = startOfDay(zone, board.now());
    const first = date >= today && date < addDays(zone, today, 7) ? today : startOfWeek(zone, date);
    return el("div", { class: "day-strip", role: "group", aria: { label: _("Day") } }, Array.from({ length: 7 }, (_none, i) => {
      const day = addDays(zone, first, i);
      return el("button", { type: "button", class: day === today ? "today" : "", data: { focus: `day${i}` }, aria: { pressed: String(day === date), label: dayWords(zone, day) }, onclick: () => board.show({ date: day }, { push: true }) },
        el("span", {}, weekdayWords(zone, day)), el("strong", {}, String(partsIn(zone, day).day)));
    }));
  }

  /** Return when a device can be had that day, in words, and the moment to offer. */
  availability(row) {
    const { board } = this;
    const { range } = board;
    const { zone } = board.state;
    const now = board.now();
    const start = Math.max(range.from, now);
    if (!row.in_service) return { words: _("Out of service"), at: null };
    if (row.quarantined) return { words: _("Not to be had"), at: null };
    if (range.to <= now) return { words: _("This day is over"), at: null };
    const entries = board.calendar.entriesOf(row.id).filter((entry) => entry.occupied_to > start && entry.occupied_from < range.to).sort((a, b) => a.occupied_from - b.occupied_from);
    let at = start;
    for (const entry of entries) {
      if (entry.occupied_from - at >= 30 * MINUTE) {
        const times = { from: clock(zone, at), until: clock(zone, entry.occupied_from) };
        return { words: at === start ? _("Free until {until}", times) : _("Free from {from} until {until}", times), at, until: entry.occupied_from, open: at === start };
      }
      at = Math.max(at, entry.occupied_to);
    }
    if (at >= range.to - 30 * MINUTE) return { words: entries.length && at > range.to ? _("Taken until {until}", { until: momentWords(zone, at) }) : _("Taken all day"), at: null };
    if (at !== start) return { words: _("Free from {from}", { from: clock(zone, at) }), at, until: range.to };
    return { words: entries.length || start > range.from ? _("Free for the rest of the day") : _("Free all day"), at, until: range.to, open: true };
  }

  drawDevice(row) {
    const { board } = this;
    const { zone } = board.state;
    const [health] = healthOf(row);
    const words = healthWhy(row);
    const free = this.availability(row);
    const entries = board.calendar.entriesOf(row.id);
    const book = () => {
      const from = board.scale.snap(free.at, 15, Math.ceil);
      board.booking.begin({ rows: [row.id], from, to: Math.max(Math.min(from + 2 * HOUR, free.until), from + 30 * MINUTE), focus: true });
    };
    const strip = el("div", { class: "strip", aria: { hidden: "true" } }, entries.map((entry) => {
      const { from, to } = board.range;
      const left = (Math.max(entry.occupied_from, from) - from) / (to - from);
      const right = (Math.min(entry.occupied_to, to) - from) / (to - from);
      if (right <= left) return "";
      const bar = el("i", { class: "swatch", data: { state: patternOf(entry), mine: entry.mine ? "1" : undefined } });
      bar.style.left = `${left * 100}%`;
      bar.style.width = `${(right - left) * 100}%`;
      return bar;
    }));
    if (board.inRange(board.now())) {
      const mark = el("b", {});
      mark.style.left = `${((board.now() - board.range.from) / (board.range.to - board.range.from)) * 100}%`;
      strip.append(mark);
    }
    const node = el("li", { class: "agenda-device" },
      el("div", { class: "agenda-head" },
        el("span", { class: "dot", data: { health }, title: words }),
        el("span", { class: "agenda-name" }, el("a", { href: `/resources/${row.id}/` }, row.name), el("span", { class: "quiet" }, ` ${row.model ? modelBeside(row.model, board.rowOf(row.parent)?.model) : kindWords(row.kind, 1)}`),
          el("span", { class: `agenda-free${free.open ? " open" : ""}` }, free.words, health === "healthy" ? "" : ` · ${words}`)),
        free.at !== null && el("button", { type: "button", class: "button", data: { focus: `book-${row.id}` }, aria: { label: _("Book {device}", { device: board.nameOf(row.id) }) }, onclick: book }, _("Book"))),
      strip,
      entries.length > 0 && el("ul", { class: "agenda-entries" }, entries.filter((entry) => entry.ends_at > board.range.from && entry.starts_at < board.range.to).map((entry) => el("li", {},
        el("button", { type: "button", class: "agenda-entry", data: { focus: `${row.id}-${entry.id}` }, onclick: () => board.details.show(entry, { focus: true }) },
          el("span", { class: "swatch", data: { state: patternOf(entry), mine: entry.mine ? "1" : undefined }, aria: { hidden: "true" } }),
          el("span", { class: "agenda-when" }, `${entry.starts_at < board.range.from ? "…" : clock(zone, entry.starts_at)}–${entry.ends_at > board.range.to ? "…" : clock(zone, entry.ends_at)}`),
          el("span", { class: "agenda-what" }, entryTitle(entry), entry.mine && el("span", { class: "visually-hidden" }, `, ${_("yours")}`)),
          el("span", { class: "quiet" }, stateWord(entry)))))));
    node.style.setProperty("--depth", row.depth);
    return node;
  }
}

