/** The board while it loads, when it failed, and when there is nothing to show. */

import { el } from "../../portal/dom.js";
import { _ } from "../../portal/words.js";

export function drawBlank(board, lines) {
  const blank = board.part("blank");
  const { calendar, failure, state } = board;
  const shape = calendar.empty ? (failure ? `failed ${failure.message}` : "loading") : !lines.length && !calendar.loading ? `nothing ${state.search} ${state.free}` : "";
  blank.hidden = !shape;
  if (blank.shape === shape) return;
  blank.shape = shape;
  if (!shape) blank.replaceChildren();
  else if (shape === "loading") blank.replaceChildren(el("div", { class: "skeleton", role: "status" }, el("span", { class: "visually-hidden" }, _("Loading the calendar")), ...Array.from({ length: 12 }, () => el("i", {}))));
  else if (failure && calendar.empty) {
    blank.replaceChildren(el("div", { class: "empty" }, el("strong", {}, _("The calendar could not be loaded.")), el("p", {}, failure.message),
      el("button", { type: "button", class: "button", onclick: () => board.load() }, _("Try again"))));
  } else blank.replaceChildren(drawNothing(board));
}

function drawNothing(board) {
  const { search, site, kind, model, free } = board.state;
  if (!(search || site || kind || model || free)) return el("div", { class: "empty" }, el("strong", {}, _("There are no devices yet.")), el("p", {}, _("An operator adds sites and their devices in the administration; they appear here at once.")));
  const words = search ? _("No device matches “{search}” here.", { search }) : free ? _("Nothing is free right now among these devices.") : _("No device matches these filters.");
  return el("div", { class: "empty" }, el("strong", {}, words),
    el("button", { type: "button", class: "button", onclick: () => board.show({ search: "", site: "", kind: "", model: "", free: false }) }, _("Show all devices")));
}
