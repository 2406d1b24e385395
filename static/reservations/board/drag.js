/** Pointer gestures on the lanes: book by dragging, move and stretch one's own entries. */

import { iso, windowWords } from "../../portal/time.js";
import { toast } from "../../portal/toast.js";
import { act, moveReservation } from "./api.js";
import { canMove, canStretch } from "./entries.js";

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
    const index = lines.length ? board.rows.indexAt(lines, y) : -1;
    return { x, ms: board.scale.at(x), index, line: lines[index] };
  }

  entryAt(event) {
    const node = event.target.closest?.(".entry");
    if (!node) return null;
    const key = node.closest("[data-line]").dataset.line;
    return (this.board.entries.get(key) ?? []).find((entry) => entry.id === node.dataset.entry) ?? null;
  }

  click(event) {
    if (this.moved) { this.moved = false; return; }
    if (event.target.closest(".head")) return;
    const entry = this.entryAt(event);
    if (entry) { this.board.details.show(entry); return; }
    const { line, ms } = this.spot(event);
    if (line?.type !== "device") return;
    const { booking, scale } = this.board;
    if (booking.open && !event.defaultPrevented && (event.shiftKey || event.ctrlKey || event.metaKey || booking.rows.length)) {
      booking.toggleDevice(line.row.id);
      return;
    }
    const from = scale.floor(ms, Math.max(scale.snapMinutes, 15));
    booking.begin({ rows: [line.row.id], from, to: from + Math.max(60, scale.snapMinutes) * 60_000 });
  }

  down(event) {
    if (event.button !== 0 || event.pointerType === "touch" || event.target.closest(".head")) return;
    const spot = this.spot(event);
    if (spot.line?.type !== "device") return;
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
      const rows = lines.slice(top, bottom + 1).filter((line) => line.type === "device").map((line) => line.row.id);
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
    board.setGhosts(this.siblings(entry).map((row) => ({ row, ...gesture.result, kind: "moving", label: windowWords(scale.zone, gesture.result.from, gesture.result.to) })));
  }

  /** All devices of a reservation move together. */
  siblings(entry) {
    const rows = [];
    for (const [row, list] of this.board.entries) if (list.some((one) => one.reservation === entry.reservation && !one.via)) rows.push(row);
    return rows;
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
    this.change(gesture.entry, from, to);
  }

  /** Ask the server for another window: the ghost stays until it has answered. */
  async change(entry, from, to) {
    const { board } = this;
    const id = entry.reservation;
    const was = { from: entry.starts_at, to: entry.ends_at };
    board.state.settling.add(id);
    board.setGhosts(this.siblings(entry).map((row) => ({ row, from, to, kind: "moving" })));
    try {
      await ask(entry, from, to, board.now());
      await board.refresh();
      toast(`Now ${windowWords(board.state.zone, from, to)}.`, {
        undo: () => this.undo({ ...entry, starts_at: from, ends_at: to }, was),
      });
      if (board.details.showing?.reservation === id) board.details.reload();
    } catch (problem) {
      board.details.refused(entry, problem, { from, to });
    } finally {
      board.state.settling.delete(id);
      board.setGhosts([]);
    }
  }

  async undo(entry, { from, to }) {
    try {
      await ask(entry, from, to, this.board.now());
      toast("Taken back.");
    } catch (problem) {
      toast(`It could not be taken back. ${problem.message}`, { seconds: 10 });
    }
    this.board.refresh();
  }
}

/** Choose the verb: a window that has not begun is moved; a running one ends later or earlier. */
export function ask(entry, from, to, now) {
  if (entry.starts_at > now && ["requested", "scheduled"].includes(entry.state)) return moveReservation(entry.reservation, from, to);
  return act(entry.reservation, to > entry.ends_at ? "extend" : "shorten", { ends_at: iso(to) });
}
