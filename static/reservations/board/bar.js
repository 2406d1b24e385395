/** The bar above the board: where in time, which view, which devices, and how fresh it is. */

import { count, el } from "../../portal/dom.js";
import { addDays, clockWithSeconds, dayWords, fromInput, MINUTE, monthWords, toDateInput } from "../../portal/time.js";
import { kindWords } from "../states.js";

export function dressBar(board) {
  board.part("prev").addEventListener("click", () => board.step(-1));
  board.part("next").addEventListener("click", () => board.step(1));
  board.part("today").addEventListener("click", () => board.goTo(board.now()));
  board.part("date").addEventListener("change", (event) => {
    const date = fromInput(board.state.zone, event.target.value);
    if (!Number.isNaN(date)) board.goTo(date);
  });
  for (const button of board.root.querySelectorAll("[data-view]")) button.addEventListener("click", () => board.show({ view: button.dataset.view }, { push: true }));
  board.part("zoom-in")?.addEventListener("click", () => board.zoom(2));
  board.part("zoom-out")?.addEventListener("click", () => board.zoom(0.5));
  let typing = 0;
  board.part("search")?.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => board.show({ search: event.target.value.trim() }), 250);
  });
  board.part("filters")?.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-filter]");
    if (!chip) return;
    const { filter, value } = chip.dataset;
    if (filter === "free") board.show({ free: !board.state.free }, { reload: false });
    else board.show({ [filter]: board.state[filter] === value ? "" : value });
  });
  board.part("book")?.addEventListener("click", () => board.booking.begin({ rows: [], from: board.nextStart(), to: board.nextStart() + 60 * MINUTE, focus: true }));
  board.part("help")?.addEventListener("click", () => board.keyboard.showHelp());
}

export function dressBarState(board) {
  const { view, zone, date } = board.state;
  for (const button of board.root.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  board.part("date").value = toDateInput(zone, date);
  const last = addDays(zone, board.range.to, -1);
  board.part("range").textContent = view === "month" ? monthWords(zone, board.range.from)
    : view === "week" ? `${dayWords(zone, board.range.from, board.now()).slice(4)} – ${dayWords(zone, last, board.now()).slice(4)}`
    : dayWords(zone, board.range.from, board.now());
  board.part("today").setAttribute("aria-disabled", String(board.inRange(board.now())));
  if (board.part("zoom-in")) board.part("zoom-in").disabled = board.state.zoom >= 4;
  if (board.part("zoom-out")) board.part("zoom-out").disabled = board.state.zoom <= 1;
  const search = board.part("search");
  if (search && document.activeElement !== search) search.value = board.state.search;
  dressFilters(board);
  board.root.dataset.view = view;
}

export function dressFilters(board) {
  const filters = board.part("filters");
  if (!filters) return;
  const chip = (filter, value, label) => el("button", {
    type: "button", class: "chip", data: { filter, value }, aria: { pressed: String(filter === "free" ? board.state.free : board.state[filter] === value) },
  }, label);
  const sites = board.sites.length ? board.sites.map((site) => [site.slug, site.name]) : board.state.site ? [[board.state.site, board.state.site]] : [];
  const kinds = [...new Set([...(board.seenKinds ?? (board.adapters ?? []).flatMap((adapter) => adapter.kinds)), board.state.kind].filter(Boolean))];
  const wanted = [
    chip("free", "1", "Free now"),
    ...sites.map(([slug, name]) => chip("site", slug, name)),
    ...kinds.map((kind) => chip("kind", kind, kindWords(kind))),
  ];
  const signature = wanted.map((node) => node.outerHTML).join("");
  if (signature === board.shownFilters) return;
  const focused = document.activeElement?.closest?.("[data-filter]");
  board.shownFilters = signature;
  const groups = ["free", "site", "kind"].map((name) => el("div", { class: "chips", role: "group", aria: { label: { free: "Availability", site: "Sites", kind: "Kinds" }[name] } }, wanted.filter((node) => node.dataset.filter === name)));
  filters.replaceChildren(...groups.filter((group) => group.children.length));
  if (focused) filters.querySelector(`[data-filter="${focused.dataset.filter}"][data-value="${CSS.escape(focused.dataset.value)}"]`)?.focus();
}

export function dressStatus(board) {
  const status = board.part("status");
  if (board.failure && board.pages.size) {
    status.className = "board-status stale";
    status.replaceChildren(el("span", {}, `Not updating. As of ${clockWithSeconds(board.state.zone, board.loadedAt)}.`),
      el("button", { type: "button", class: "button small", onclick: () => board.refresh() }, "Try again"));
    return;
  }
  if (status.className !== "board-status" || !status.firstChild) { status.className = "board-status"; }
  const words = board.total === undefined || board.only ? "" : count(board.total, "device");
  if (status.textContent !== words) status.replaceChildren(el("span", { class: "quiet" }, words));
}
