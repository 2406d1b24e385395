/** The side panel: beside the board, never over it; a sheet of its own on a phone. */

import { el, icon } from "../../portal/dom.js";
import { _ } from "../../portal/words.js";

export class Panel {
  constructor(board) {
    this.board = board;
    this.node = board.part("panel");
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) { event.stopPropagation(); this.close(); }
    });
  }

  get open() { return !this.node.hidden; }

  /** Show content under a title; `owner` is told when the panel goes to somebody else. */
  show({ title, body, owner, redraw, focus = false }) {
    if (this.owner && this.owner !== owner) this.owner.left?.();
    this.owner = owner;
    this.redraws = redraw;
    const heading = el("h2", { tabindex: "-1", id: "panel-title" }, title);
    this.node.replaceChildren(
      el("div", { class: "panel-head" }, heading, el("button", { type: "button", class: "icon-button", aria: { label: _("Close the panel") }, title: _("Close (Esc)"), onclick: () => this.close() }, icon("close"))),
      el("div", { class: "panel-body" }, body));
    const opening = this.node.hidden;
    this.node.hidden = false;
    document.body.classList.add("has-panel");
    if (opening) this.board.redraw();
    if (focus || matchMedia("(max-width: 640px)").matches) heading.focus({ preventScroll: true });
  }

  redraw() { if (this.open) this.redraws?.(); }

  close() {
    if (!this.open) return;
    const had = this.node.contains(document.activeElement) || document.activeElement === document.body;
    this.node.hidden = true;
    document.body.classList.remove("has-panel");
    const { owner } = this;
    this.owner = null;
    owner?.left?.();
    this.board.redraw();
    if (had && this.board.state.view !== "agenda") this.board.grid.focus({ preventScroll: true });
    else if (had) this.board.part("book")?.focus();
  }
}
