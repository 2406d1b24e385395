/** Pointer gestures on the lanes: book by dragging, move and stretch one's own entries. */

import { windowWords } from "../../portal/time.js";
import { changeWindow, siblings } from "./changes.js";
import { canMove, canStretch } from "./entries.js";
import { indexAt } from "./lines.js";

const THRESHOLD = 4;
const EDGE = 32;

export class Drag {
  constructor(board) {
    this.board = board;
    this.busy = false;
    const { canvas } = board;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("click", (event) => this.click(event));
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && this.busy) { event.preventDefault(); event.stopPropagation(); this.cancel(); } }, true);
  }

  /** Return the moment and the device under the pointer. */
  spot(event) {
    const { board } = this;
    const box = board.canvas.getBoundingClientRect();
    const x = event.clientX - box.left - board.headWidth;
    const y = event.clientY - box.top;
    const { lines } = board.layout();
    const index = lines.length ? indexAt(lines, y) : -1;
    return { x, ms: board.scale.at(x), index, line: lines[index] };
  }

  entryAt(event) {
    const node = event.target.closest?.(".entry");
    if (!node) return null;
    const key = node.closest("[data-line]").dataset.line;
    return this.board.calendar.entriesOf(key).find((entry) => entry.id === node.dataset.entry) ?? null;
  }

  click(event) {
    if (this.moved) { this.moved = false; return; }
    if (event.target.closest(".head, .above")) return;
    const entry = this.entryAt(event);
    if (entry) { this.board.details.show(entry); return; }
    const { line, ms } = this.spot(event);
    if (!line?.row) return;
    const { booking, scale } = this.board;
    if (booking.open && !event.defaultPrevented && (event.shiftKey || event.ctrlKey || event.metaKey || booking.rows.length)) {
      booking.toggleDevice(line.row.id);
      return;
    }
    const from = scale.floor(ms, Math.max(scale.snapMinutes, 15));
    booking.begin({ rows: [line.row.id], from, to: from + Math.max(60, scale.snapMinutes) * 60_000 });
  }

  down(event) {
    if (event.button !== 0 || event.pointerType === "touch" || event.target.closest(".head, .above")) return;
    const spot = this.spot(event);
    if (!spot.line?.row) return;
    const entry = this.entryAt(event);
    const now = this.board.now();
    const grip = event.target.closest("[data-grip]")?.dataset.grip;
    this.moved = false;
    if (entry) {
      if (grip === "end" && canStretch(entry, now)) this.gesture = { kind: "end", entry };
      else if (grip === "start" && canMove(entry, now)) this.gesture = { kind: "start", entry };
      else if (canMove(entry, now)) this.gesture = { kind: "move", entry };
      else return;
    } else {
      this.gesture = { kind: "create", add: event.shiftKey || event.ctrlKey || event.metaKey };
    }
    Object.assign(this.gesture, { origin: spot, startX: event.clientX, startY: event.clientY, last: event, before: this.board.state.selection });
    this.board.grid.classList.add("by-pointer");
    this.board.keyboard.cursor = { key: spot.line.key, ms: this.board.scale.floor(spot.ms, this.board.scale.cellMinutes) };
    this.board.grid.focus({ preventScroll: true });
    event.preventDefault();
    const follow = (move) => this.follow(move);
    const done = (up) => { stop(); this.finish(up); };
    const stop = () => {
      for (const [name, handler] of handlers) document.removeEventListener(name, handler);
      cancelAnimationFrame(this.scrolling);
      this.stop = null;
    };
    const handlers = [["pointermove", follow], ["pointerup", done], ["pointercancel", () => this.cancel()]];
    for (const [name, handler] of handlers) document.addEventListener(name, handler);
    this.stop = stop;
  }

  follow(event) {
    const { gesture } = this;
    gesture.last = event;
    if (!this.busy) {
      if (Math.hypot(event.clientX - gesture.startX, event.clientY - gesture.startY) < THRESHOLD) return;
      this.busy = true;
      this.moved = true;
      document.body.classList.add("is-dragging");
      this.autoScroll();
    }
    this.preview(event);
  }

  /** Scroll on while the pointer rests at an edge. */
  autoScroll() {
    const { grid } = this.board;
    const step = () => {
      if (!this.busy) return;
      const box = grid.getBoundingClientRect();
      const { clientX, clientY } = this.gesture.last;
      const dx = clientX > box.right - EDGE ? 8 : clientX < box.left + this.board.headWidth + EDGE ? -8 : 0;
      const dy = clientY > box.bottom - EDGE ? 8 : clientY < box.top + 72 ? -8 : 0;
      if (dx || dy) { const x = grid.scrollLeft; const y = grid.scrollTop; grid.scrollBy(dx, dy); if (x !== grid.scrollLeft || y !== grid.scrollTop) this.preview(this.gesture.last); }
      this.scrolling = requestAnimationFrame(step);
    };
    this.scrolling = requestAnimationFrame(step);
  }

  preview(event) {
    const { board, gesture } = this;
    const { scale } = board;
    const spot = this.spot(event);
    const snap = (ms) => scale.snap(scale.clamp(ms));
    if (gesture.kind === "create") {
      const grain = scale.snapMinutes * 60_000;
      let from = Math.min(gesture.origin.ms, spot.ms);
      let to = Math.max(gesture.origin.ms, spot.ms);
      from = scale.floor(scale.clamp(from));
      to = Math.max(snap(to), from + grain);
      const { lines } = board.layout();
      const [top, bottom] = [Math.min(gesture.origin.index, spot.index), Math.max(gesture.origin.index, spot.index)];
      const rows = lines.slice(top, bottom + 1).filter((line) => line.row).map((line) => line.row.id);
      const more = gesture.add ? (gesture.before?.rows ?? []).filter((id) => !rows.includes(id)) : [];
      gesture.result = { rows: [...more, ...rows], from, to };
      board.setSelection(gesture.result);
      return;
    }
    const { entry } = gesture;
    const shift = spot.ms - gesture.origin.ms;
    const least = 5 * 60_000;
    if (gesture.kind === "move") {
      const from = scale.snap(entry.starts_at + shift);
      gesture.result = { from, to: from + entry.ends_at - entry.starts_at };
    } else if (gesture.kind === "end") {
      gesture.result = { from: entry.starts_at, to: Math.max(scale.snap(entry.ends_at + shift), entry.starts_at + least) };
    } else {
      gesture.result = { from: Math.min(scale.snap(entry.starts_at + shift), entry.ends_at - least), to: entry.ends_at };
    }
    board.setGhosts(siblings(board, entry).map((row) => ({ row, ...gesture.result, kind: "moving", label: windowWords(scale.zone, gesture.result.from, gesture.result.to) })));
  }

  cancel() {
    this.stop?.();
    this.busy = false;
    document.body.classList.remove("is-dragging");
    this.board.state.ghosts = [];
    this.board.setSelection(this.gesture?.before ?? null);
    this.gesture = null;
  }

  finish() {
    const { board, gesture, busy } = this;
    this.gesture = null;
    this.busy = false;
    document.body.classList.remove("is-dragging");
    // The click that follows belongs to the gesture; after it, clicks are clicks again.
    if (this.moved) setTimeout(() => { this.moved = false; }, 0);
    if (!busy || !gesture.result) return;
    if (gesture.kind === "create") { board.booking.begin({ ...gesture.result, keep: gesture.add }); return; }
    const { from, to } = gesture.result;
    if (from === gesture.entry.starts_at && to === gesture.entry.ends_at) { board.setGhosts([]); return; }
    changeWindow(board, gesture.entry, from, to);
  }
}
