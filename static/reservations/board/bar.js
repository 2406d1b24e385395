/** The bar above the board: where in time, which view, which devices, and how fresh it is. */

import { el } from "../../portal/dom.js";
import { addDays, clockWithSeconds, dayWords, fromInput, MINUTE, monthWords, toDateInput } from "../../portal/time.js";
import { _, ngettext } from "../../portal/words.js";
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
  board.part("group")?.addEventListener("change", (event) => { board.grid.scrollTop = 0; board.show({ group: event.target.value, closed: new Set() }, { push: true }); });
  let typing = 0;
  board.part("search")?.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => board.show({ search: event.target.value.trim() }), 250);
  });
  board.part("filters")?.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-filter]");
    if (!chip) return;
    const { filter, value } = chip.dataset;
    if (filter === "free") board.show({ free: !board.state.free });
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
  const words = (ms) => dayWords(zone, ms, board.now(), { weekday: view !== "week" });
  board.part("range").textContent = view === "month" ? monthWords(zone, board.range.from) : view === "week" ? `${words(board.range.from)} – ${words(last)}` : words(board.range.from);
  board.part("today").setAttribute("aria-disabled", String(board.inRange(board.now())));
  if (board.part("zoom-in")) board.part("zoom-in").disabled = board.state.zoom >= 4;
  if (board.part("zoom-out")) board.part("zoom-out").disabled = board.state.zoom <= 1;
  if (board.part("group")) board.part("group").value = board.state.group;
  const search = board.part("search");
  if (search && document.activeElement !== search) search.value = board.state.search;
  dressFilters(board);
  board.root.dataset.view = view;
}

export function dressFilters(board) {
  const filters = board.part("filters");
  if (!filters) return;
  const { state, calendar } = board;
  const chip = (filter, value, label) => el("button", {
    type: "button", class: "chip", data: { filter, value }, aria: { pressed: String(filter === "free" ? state.free : state[filter] === value) },
  }, label);
  // Without filters the groups tell of which kinds there are devices at all.
  if (!state.site && !state.kind && !state.model && !state.search && !state.free && calendar.groups.length) board.seenKinds = [...new Set(calendar.groups.map((group) => group.kind))];
  const sites = board.sites.length ? board.sites.map((site) => [site.slug, site.name]) : state.site ? [[state.site, state.site]] : [];
  const kinds = [...new Set([...(board.seenKinds ?? (board.adapters ?? []).flatMap((adapter) => adapter.kinds)), state.kind].filter(Boolean))];
  const wanted = [
    chip("free", "1", _("Free now")),
    ...sites.map(([slug, name]) => chip("site", slug, name)),
    ...kinds.map((kind) => chip("kind", kind, kindWords(kind))),
    ...(state.model ? [chip("model", state.model, state.model)] : []),
  ];
  const signature = wanted.map((node) => node.outerHTML).join("");
  if (signature === board.shownFilters) return;
  const focused = document.activeElement?.closest?.("[data-filter]");
  board.shownFilters = signature;
  const labels = { free: _("Availability"), site: _("Sites"), kind: _("Kinds"), model: _("Model") };
  const groups = Object.entries(labels).map(([name, label]) => el("div", { class: "chips", role: "group", aria: { label } }, wanted.filter((node) => node.dataset.filter === name)));
  filters.replaceChildren(...groups.filter((group) => group.children.length));
  if (focused) filters.querySelector(`[data-filter="${focused.dataset.filter}"][data-value="${CSS.escape(focused.dataset.value)}"]`)?.focus();
}

export function dressStatus(board) {
  const status = board.part("status");
  const { calendar, failure } = board;
  if (failure && !calendar.empty) {
    status.className = "board-status stale";
    status.replaceChildren(el("span", {}, _("Not updating. As of {time}.", { time: clockWithSeconds(board.state.zone, calendar.loadedAt) })),
      el("button", { type: "button", class: "button small", onclick: () => board.refresh() }, _("Try again")));
    return;
  }
  status.className = "board-status";
  const words = calendar.total === undefined || board.only ? "" : ngettext("{count} device", "{count} devices", calendar.total);
  if (status.textContent !== words) status.replaceChildren(el("span", { class: "quiet" }, words));
}
