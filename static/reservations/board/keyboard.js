/** The board without a pointer: a cell cursor, the same panel, and a page of shortcuts. */

import { el } from "../../portal/dom.js";
import { MINUTE, startOfDay, windowWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { healthOf, healthWhy } from "../states.js";
import { canMove, canStretch, entryTitle, entryWords } from "./entries.js";
import { Grab } from "./grab.js";
import { groupWords } from "./rows.js";

const SHORTCUTS = [
  [["←", "→"], _("one cell earlier, later")], [["↑", "↓"], _("one row up, down")], [["Shift", "←↑→↓"], _("extend the selection")],
  [["Home", "End"], _("start, end of the range")], [["Page ↑", "Page ↓"], _("ten rows up, down")],
  [["Enter"], _("book the selection, or open what is there; open or close a group")],
  [["g"], _("grab a booking of yours: arrows move it, Shift and arrows move its end, Alt and arrows its start, Enter asks, Esc lets go")],
  [["Esc"], _("close the panel, drop the selection")], [["t"], _("today")], [["[", "]"], _("earlier, later")],
  [["d", "w", "m", "a"], _("day, week, month, agenda")], [["+", "−"], _("zoom in, out")], [["/"], _("search")], [["?"], _("this list")],
];

export class Keyboard {
  constructor(board) {
    this.board = board;
    this.cursor = null; // {key of the line, ms}
    this.grab = new Grab(board);
    board.grid.addEventListener("keydown", (event) => this.press(event));
    board.grid.addEventListener("focus", () => { if (!board.grid.classList.contains("by-pointer")) this.ensure(); board.schedule(); });
    board.grid.addEventListener("blur", () => { board.grid.classList.remove("by-pointer"); board.schedule(); });
  }

  ensure() {
    const { board } = this;
    const { lines } = board.layout();
    if (!lines.length) return false;
    const { scale } = board;
    if (!this.cursor || !lines.some((line) => line.key === this.cursor.key)) {
      const seen = lines.find((line) => line.row && line.top >= board.grid.scrollTop) ?? lines[0];
      const start = board.inRange(board.now()) ? board.now() : scale.from;
      this.cursor = { key: seen.key, ms: scale.floor(start, scale.cellMinutes) };
    }
    this.cursor.ms = Math.min(Math.max(this.cursor.ms, scale.floor(scale.from, scale.cellMinutes)), scale.to - scale.cellMinutes * MINUTE);
    return true;
  }

  press(event) {
    const { board } = this;
    if (event.target !== board.grid) return;
    if (this.grab.entry) { this.grab.press(event); return; }
    if (event.altKey || (event.metaKey && event.key.length === 1) || (event.ctrlKey && event.key.length === 1)) return;
    board.grid.classList.remove("by-pointer");
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], PageUp: [0, -10], PageDown: [0, 10] };
    const actions = {
      Enter: () => this.enter(), " ": () => this.enter(), Escape: () => this.drop(),
      g: () => this.take(),
      Home: () => this.jump(board.scale.from), End: () => this.jump(board.scale.to),
      t: () => board.goTo(board.now()), "[": () => board.step(-1), "]": () => board.step(1),
      d: () => board.show({ view: "day", date: startOfDay(board.state.zone, this.cursor?.ms ?? board.state.date) }, { push: true }),
      w: () => board.show({ view: "week" }, { push: true }), m: () => board.show({ view: "month" }, { push: true }),
      a: () => { board.show({ view: "agenda" }, { push: true }); board.part("agenda").focus(); },
      "+": () => board.zoom(2), "=": () => board.zoom(2), "-": () => board.zoom(0.5),
      "/": () => board.part("search")?.focus(), "?": () => this.showHelp(),
    };
    if (event.key in arrows) this.move(...arrows[event.key], event.shiftKey);
    else if (actions[event.key]) actions[event.key]();
    else return;
    event.preventDefault();
  }

  move(dx, dy, extend) {
    const { board } = this;
    if (!this.ensure()) return;
    const { lines } = board.layout();
    const cell = board.scale.cellMinutes * MINUTE;
    const at = lines.findIndex((line) => line.key === this.cursor.key);
    if (extend && !this.anchor) this.anchor = { ...this.cursor };
    if (!extend) { this.anchor = null; if (!board.booking.open && board.state.selection) board.setSelection(null); }
    const next = lines[Math.min(Math.max(at + dy, 0), lines.length - 1)];
    this.cursor = { key: next.key, ms: board.scale.snap(this.cursor.ms + dx * cell, board.scale.cellMinutes) };
    if (this.cursor.ms < board.scale.from && dx < 0 && !extend) { board.step(-1); this.cursor.ms = board.scale.to - cell; }
    if (this.cursor.ms >= board.scale.to && dx > 0 && !extend) { board.step(1); this.cursor.ms = board.scale.from; }
    this.ensure();
    if (extend) this.select();
    this.reveal(next);
    board.schedule();
  }

  select() {
    const { board } = this;
    const { lines } = board.layout();
    const cell = board.scale.cellMinutes * MINUTE;
    const [a, b] = [this.anchor.key, this.cursor.key].map((key) => lines.findIndex((line) => line.key === key)).sort((x, y) => x - y);
    const rows = lines.slice(Math.max(a, 0), b + 1).filter((line) => line.row).map((line) => line.row.id);
    board.setSelection({ rows, from: Math.min(this.anchor.ms, this.cursor.ms), to: Math.max(this.anchor.ms, this.cursor.ms) + cell });
  }

  jump(ms) {
    if (!this.ensure()) return;
    this.cursor.ms = ms;
    this.ensure();
    this.reveal(this.line());
    this.board.schedule();
  }

  line() { return this.board.layout().lines.find((line) => line.key === this.cursor?.key); }

  reveal(line) {
    const { grid, headWidth, scale } = this.board;
    const top = line.top;
    const head = this.board.part("head").offsetHeight;
    // The groups that stay in sight cover two lines.
    const covered = line.type === "device" ? 56 : 0;
    if (top < grid.scrollTop + covered) grid.scrollTop = Math.max(top - covered, 0);
    else if (top + line.height > grid.scrollTop + grid.clientHeight - head) grid.scrollTop = top + line.height - grid.clientHeight + head;
    const x = scale.x(this.cursor.ms);
    const width = grid.clientWidth - headWidth;
    if (x < grid.scrollLeft) grid.scrollLeft = x - 24;
    else if (x + 48 > grid.scrollLeft + width) grid.scrollLeft = x + 48 - width;
  }

  entryHere() {
    const line = this.line();
    if (!line?.row) return null;
    const cell = this.board.scale.cellMinutes * MINUTE;
    return this.board.calendar.entriesOf(line.row.id).find((entry) => entry.starts_at < this.cursor.ms + cell && this.cursor.ms < entry.ends_at) ?? null;
  }

  enter() {
    const { board } = this;
    if (!this.ensure()) return;
    const line = this.line();
    if (line.type !== "device") { board.toggle(line.toggle); return; }
    if (!line.row) return;
    const { selection } = board.state;
    const entry = this.entryHere();
    if (entry && !(this.anchor && selection)) { board.details.show(entry, { focus: true }); return; }
    const cell = Math.max(board.scale.cellMinutes, 60) * MINUTE;
    const wish = this.anchor && selection ? selection : { rows: [line.row.id], from: this.cursor.ms, to: this.cursor.ms + cell };
    this.anchor = null;
    board.booking.begin({ ...wish, from: Math.max(wish.from, 0), focus: true });
    if (board.booking.open) board.panel.node.querySelector("#panel-title")?.focus();
  }

  /** Take hold of one's own booking under the cursor, to move it without a pointer. */
  take() {
    const { board } = this;
    const entry = this.ensure() ? this.entryHere() : null;
    const now = board.now();
    if (entry && (canMove(entry, now) || canStretch(entry, now))) this.grab.begin(entry, { movable: canMove(entry, now) });
    else board.say(entry ? _("{title} cannot be moved.", { title: entryTitle(entry) }) : _("There is nothing of yours to grab here."));
  }

  drop() {
    this.anchor = null;
    if (this.board.panel.open) this.board.panel.close();
    else if (this.board.state.selection) this.board.setSelection(null);
    else { this.cursor = null; this.board.schedule(); }
  }

  words(line) {
    const { board } = this;
    if (line.type !== "device") return line.open ? _("{name}, open, {count} devices", { name: groupWords(line), count: line.count }) : _("{name}, closed, {count} devices", { name: groupWords(line), count: line.count });
    if (!line.row) return _("Loading");
    const entry = this.entryHere();
    const cell = board.scale.cellMinutes * MINUTE;
    const health = healthOf(line.row);
    return `${board.nameOf(line.row.id)}${health[0] === "healthy" ? "" : `, ${healthWhy(line.row)}`}, ${windowWords(board.state.zone, this.cursor.ms, this.cursor.ms + cell)}, ${entry ? entryWords(entry, board.state.zone) : _("free")}`;
  }

  /** Put the cursor's cell into its row; screen readers follow it as the active descendant. */
  drawCursor() {
    const { board } = this;
    board.canvas.querySelector("#cursor")?.remove();
    const line = this.cursor && document.activeElement === board.grid && !board.grid.classList.contains("by-pointer") ? this.line() : null;
    const node = line && board.rows.drawn.get(line.key);
    if (!node) { board.grid.removeAttribute("aria-activedescendant"); return; }
    const cell = el("div", { id: "cursor", class: "cursor", role: "gridcell", aria: { label: this.words(line), selected: "true" } });
    cell.style.left = `${board.scale.x(this.cursor.ms)}px`;
    cell.style.width = `${Math.max(board.scale.cellMinutes * MINUTE * board.scale.perMs, 6)}px`;
    node.querySelector(".lane").append(cell);
    board.grid.setAttribute("aria-activedescendant", "cursor");
  }

  showHelp() {
    this.help ??= el("dialog", { class: "help-dialog", aria: { labelledby: "shortcuts" } },
      el("div", { class: "panel-head" }, el("h2", { id: "shortcuts" }, _("Keyboard")), el("form", { method: "dialog" }, el("button", { class: "button" }, _("Close")))),
      el("div", { class: "panel-body" }, el("p", { class: "help" }, _("These work while the board has the focus. Every drag has its equal here or in the panel.")),
        el("dl", { class: "shortcuts" }, SHORTCUTS.map(([keys, words]) => [el("dt", {}, keys.map((key, i) => [i > 0 && " ", el("kbd", {}, key)])), el("dd", {}, words)]))));
    if (!this.help.isConnected) document.body.append(this.help);
    this.help.showModal();
  }
}
