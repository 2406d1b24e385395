/** Moving and stretching a booking by keys: what dragging does, without a pointer. */

import { durationWords, MINUTE, windowWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { changeWindow, siblings } from "./changes.js";
import { entryTitle } from "./entries.js";

const LEAST = 5 * MINUTE;

export class Grab {
  constructor(board) {
    this.board = board;
    this.entry = null;
    board.grid.addEventListener("blur", () => this.letGo());
  }

  /** Take hold of an entry; what has begun has only an end to move. */
  begin(entry, { movable }) {
    Object.assign(this, { entry, movable, from: entry.starts_at, to: entry.ends_at });
    this.draw();
    this.board.say(movable
      ? _("Grabbed {title}. Arrows move it, Shift and arrows its end, Alt and arrows its start. Enter asks, Escape lets go.", { title: entryTitle(entry) })
      : _("Grabbed the end of {title}. Arrows move it. Enter asks, Escape lets go.", { title: entryTitle(entry) }));
  }

  press(event) {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (direction) this.move(direction, event);
    else if (event.key === "Enter") this.ask();
    else if (event.key === "Escape") this.letGo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  move(direction, { shiftKey, altKey }) {
    const { scale, state } = this.board;
    const step = direction * scale.snapMinutes * MINUTE;
    const snap = (ms) => scale.snap(ms + step);
    if (shiftKey || !this.movable) this.to = Math.max(snap(this.to), this.from + LEAST);
    else if (altKey) this.from = Math.min(snap(this.from), this.to - LEAST);
    else { const length = this.to - this.from; this.from = snap(this.from); this.to = this.from + length; }
    this.draw();
    this.board.say(`${windowWords(state.zone, this.from, this.to)}, ${durationWords(this.to - this.from)}`);
  }

  draw() {
    const { board, entry, from, to } = this;
    board.setGhosts(siblings(board, entry).map((row) => ({ row, from, to, kind: "moving", label: windowWords(board.state.zone, from, to) })));
  }

  ask() {
    const { board, entry, from, to } = this;
    this.entry = null;
    board.setGhosts([]);
    if (from === entry.starts_at && to === entry.ends_at) { board.say(_("Let go.")); return; }
    if (board.keyboard.cursor) board.keyboard.cursor.ms = board.scale.floor(from, board.scale.cellMinutes);
    changeWindow(board, entry, from, to);
  }

  letGo() {
    if (!this.entry) return;
    this.entry = null;
    this.board.setGhosts([]);
    this.board.say(_("Let go."));
  }
}
