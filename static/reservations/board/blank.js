/** The board while it loads, when it failed, and when there is nothing to show. */

import { el } from "../../portal/dom.js";

export function drawBlank(board, lines) {
  const blank = board.part("blank");
  const { failure, state } = board;
  const show = (...children) => { blank.hidden = false; blank.replaceChildren(...children); };
  if (!board.pages.size && failure) {
    show(el("div", { class: "empty" }, el("strong", {}, "The calendar could not be loaded."), el("p", {}, failure.message),
      el("button", { type: "button", class: "button", onclick: () => board.load() }, "Try again")));
  } else if (!board.pages.size) {
    show(el("div", { class: "skeleton", role: "status" }, el("span", { class: "visually-hidden" }, "Loading the calendar"), ...Array.from({ length: 12 }, () => el("i", {}))));
  } else if (!lines.length && !board.fetching && !board.loading) {
    const filtered = state.search || state.site || state.kind || state.free;
    show(filtered
      ? el("div", { class: "empty" }, el("strong", {}, state.search ? `No device matches “${state.search}” here.` : state.free ? "Nothing is free right now among these devices." : "No device matches these filters."),
        el("button", { type: "button", class: "button", onclick: () => board.show({ search: "", site: "", kind: "", free: false }) }, "Show all devices"))
      : el("div", { class: "empty" }, el("strong", {}, "There are no devices yet."), el("p", {}, "An operator adds sites and their devices in the administration; they appear here at once.")));
  } else blank.hidden = true;
}
