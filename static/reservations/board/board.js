/** The board: what is shown, what is loaded, and the loop that draws it. */

import { count, el, readConfig } from "../../portal/dom.js";
import { addDays, clock, clockWithSeconds, dayWords, MINUTE, momentWords, monthWords, partsIn, startOfDay, toDateInput, fromInput, zoneWords } from "../../portal/time.js";
import { onZone, viewerZone } from "../../portal/zone.js";
import { healthOf, kindWords } from "../states.js";
import { readAddress, writeAddress } from "./address.js";
import { Agenda } from "./agenda.js";
import { fetchAdapters, fetchCalendar, fetchSites, PAGE } from "./api.js";
import { Booking } from "./booking.js";
import { Details } from "./details.js";
import { Drag } from "./drag.js";
import { Keyboard } from "./keyboard.js";
import { Panel } from "./panel.js";
import { lineUp, Rows } from "./rows.js";
import { rangeOf, Scale, stepped } from "./scale.js";

const POLL = 15_000;
const NOTHING = [];
const phone = matchMedia("(max-width: 640px)");

export class Board {
  constructor(root, config) {
    this.root = root;
    this.config = config;
    this.only = root.dataset.only ? { id: root.dataset.only, parent: root.dataset.parent, site: root.dataset.site } : null; // a resource's own page shows only its rows
    this.drift = config.now ? Date.parse(config.now) - Date.now() : 0;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.grid = this.part("grid");
    this.canvas = this.part("canvas");
    this.state = { ...readAddress(viewerZone(), { now: this.now(), view: phone.matches ? "agenda" : "week" }), selection: null, ghosts: [], settling: new Set() };
    this.pages = new Map();
    this.entries = new Map();
    this.sites = [];
    this.version = 0;
    this.loadedAt = null;
    this.failure = null;
    this.rows = new Rows({ canvas: this.canvas, board: this });
    this.panel = new Panel(this);
    this.booking = new Booking(this);
    this.details = new Details(this);
    this.agenda = new Agenda(this, this.part("agenda"));
    this.drag = new Drag(this);
    this.keyboard = new Keyboard(this);
    this.dressBar();
    this.listen();
    this.changed({ reload: true });
    this.loadAround();
  }

  now() { return Date.now() + this.drift; }

  // What a row asks for while it is drawn

  on(id) {
    const { selection, ghosts, settling } = this.state;
    return {
      now: this.now(),
      entries: this.entries.get(id) ?? NOTHING,
      ghosts: ghosts.filter((ghost) => ghost.row === id),
      selection: selection?.rows.includes(id) ? selection : null,
      settling,
    };
  }

  isAdding() { return this.booking.open; }

  silentSince(slug) {
    const site = this.sites.find((one) => one.slug === slug);
    if (!site || site.reachable) return "";
    return site.last_heard_at ? `${site.name} was last heard of at ${momentWords(this.state.zone, Date.parse(site.last_heard_at))}. Bookings are kept; it prepares devices once it is back.` : `${site.name} has not been heard of yet.`;
  }

  siteName(slug) { return this.sites.find((site) => site.slug === slug)?.name ?? this.allRows().find((row) => row.site === slug)?.site_name ?? slug; }

  allRows() {
    if (!this.rowCache) this.rowCache = [...this.pages.keys()].sort((a, b) => a - b).flatMap((offset) => this.pages.get(offset).rows);
    return this.rowCache;
  }

  rowOf(id) { return this.allRows().find((row) => row.id === id); }

  nameOf(id) {
    const row = this.rowOf(id);
    return row ? `${row.site_name} · ${row.name}` : "A device";
  }

  isFreeNow(row) {
    const now = this.now();
    return healthOf(row)[0] !== "out" && !row.quarantined && row.health !== "unhealthy"
      && !(this.entries.get(row.id) ?? NOTHING).some((entry) => entry.occupied_from <= now && now < entry.occupied_to);
  }

  // Changing what is shown

  /** Set parts of the view; `push` makes a step for the Back button. */
  show(changes, { push = false, reload = true } = {}) {
    Object.assign(this.state, changes);
    if (changes.free && !this.inRange(this.now())) { this.state.date = startOfDay(this.state.zone, this.now()); reload = true; }
    writeAddress(this.state, { now: this.now(), push });
    this.changed({ reload });
  }

  inRange(ms) { return this.range.from <= ms && ms < this.range.to; }

  changed({ reload = false } = {}) {
    this.range = rangeOf(this.state.view, this.state.zone, this.state.date);
    this.measure();
    this.dressBarState();
    if (reload) this.load();
    this.redraw();
  }

  measure() {
    const style = getComputedStyle(this.root);
    this.headWidth = parseFloat(style.getPropertyValue("--head-width")) || 240;
    const width = Math.max(this.grid.clientWidth - this.headWidth, 200);
    this.scale = new Scale({ view: this.state.view, zone: this.state.zone, ...this.range, width, zoom: this.state.view === "agenda" ? 1 : this.state.zoom });
  }

  /** Rebuild what is drawn, in the next frame. */
  redraw() { this.version += 1; this.lines = null; this.schedule(); }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.render(); });
  }

  // Loading

  async load() {
    this.loading?.abort();
    const abort = new AbortController();
    this.loading = abort;
    this.root.classList.add("is-loading");
    try {
      const page = await this.fetch(0, abort.signal);
      this.pages = new Map([[0, page]]);
      this.settle();
      this.fetchMore();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.fail(error);
    } finally {
      if (this.loading === abort) { this.loading = null; this.root.classList.remove("is-loading"); }
    }
  }

  async fetch(offset, signal) {
    const { site, kind, search } = this.state;
    const page = await fetchCalendar({ ...this.range, site: this.only?.site ?? site, kind: this.only ? "" : kind, search: this.only ? "" : search, offset, signal });
    page.text = JSON.stringify([page.rows, page.entries]);
    this.total = page.total;
    this.drift = Date.parse(page.now) - Date.now() || 0;
    if (this.only) {
      page.rows = page.rows.filter((row) => row.id === this.only.id || row.parent === this.only.id || row.id === this.only.parent);
    }
    return page;
  }

  settle() {
    this.failure = null;
    this.loadedAt = Date.now();
    this.rowCache = null;
    this.entries = new Map();
    for (const page of this.pages.values()) {
      for (const entry of page.entries) {
        if (!this.entries.has(entry.row)) this.entries.set(entry.row, []);
        const list = this.entries.get(entry.row);
        if (!list.some((one) => one.id === entry.id)) list.push(entry);
      }
    }
    for (const list of this.entries.values()) list.sort((a, b) => a.starts_at - b.starts_at);
    this.dressStatus();
    this.redraw();
  }

  fail(error) {
    this.failure = error;
    this.dressStatus();
    this.redraw();
  }

  loadedRows() { return this.pages.size ? Math.max(...this.pages.keys()) + PAGE : 0; }

  /** Load the next page of rows when the view comes near the end of what is known. */
  async fetchMore() {
    const { lines, height } = this.layout();
    const near = this.grid.scrollTop + this.grid.clientHeight * 2 > height;
    if (this.fetching || !this.pages.size || this.loadedRows() >= this.total || !(near || lines.length < 40)) return;
    this.fetching = true;
    const { from } = this.range;
    try {
      const offset = this.loadedRows();
      const page = await this.fetch(offset);
      if (from === this.range.from) { this.pages.set(offset, page); this.settle(); }
    } catch (error) {
      this.fail(error);
      return;
    } finally {
      this.fetching = false;
    }
    this.fetchMore();
  }

  /** Load what is visible again; redraw only if anything differs. */
  async refresh() {
    if (this.refreshing || this.loading || this.drag.busy) return;
    this.refreshing = true;
    const { from, to } = this.range;
    try {
      let differs = Boolean(this.failure) || !this.pages.size;
      for (const offset of this.pages.size ? this.visiblePages() : [0]) {
        const page = await this.fetch(offset);
        if (from !== this.range.from || to !== this.range.to) return;
        if (page.text !== this.pages.get(offset)?.text) differs = true;
        this.pages.set(offset, page);
      }
      if (differs && !this.drag.busy) this.settle();
      this.loadedAt = Date.now();
      this.failure = null;
      this.dressStatus();
    } catch (error) {
      this.fail(error);
    } finally {
      this.refreshing = false;
    }
  }

  visiblePages() {
    const seen = new Set([0]);
    const { lines } = this.layout();
    const top = this.grid.scrollTop - 400;
    const bottom = this.grid.scrollTop + this.grid.clientHeight + 400;
    const offsets = new Map(this.allRows().map((row, i) => [row.id, Math.floor(i / PAGE) * PAGE]));
    for (const line of lines) if (line.type === "device" && line.top < bottom && line.top + line.height > top) seen.add(offsets.get(line.row.id));
    return [...seen].filter((offset) => this.pages.has(offset));
  }

  async loadAround() {
    try {
      const [sites, adapters] = await Promise.all([fetchSites(), fetchAdapters()]);
      this.sites = sites;
      this.adapters = adapters;
      this.dressFilters();
      this.redraw();
    } catch { /* the board stands without it; the form asks again */ }
  }

  // Drawing

  layout() {
    if (!this.lines) {
      const { free, closed } = this.state;
      this.lines = lineUp(this.allRows(), { closed, keep: (row) => !free || this.isFreeNow(row) });
    }
    return this.lines;
  }

  render() {
    if (!this.scale) return;
    const agenda = this.state.view === "agenda";
    this.part("grid-frame").hidden = agenda;
    this.part("agenda").hidden = !agenda;
    const { lines, height } = this.layout();
    this.dressBlank(lines);
    if (agenda) { this.agenda.render(this.version); return; }
    if (this.grid.clientWidth && this.grid.clientWidth !== this.measuredWidth) { this.measuredWidth = this.grid.clientWidth; this.measure(); this.version += 1; }
    const rest = Math.max((this.total ?? 0) - this.loadedRows(), 0);
    this.grid.setAttribute("aria-rowcount", lines.length + 1);
    this.canvas.style.height = `${height + (this.state.free ? 0 : rest * 32)}px`;
    this.canvas.style.width = `${this.headWidth + this.scale.width}px`;
    if (this.shownHead !== this.version) { this.shownHead = this.version; this.drawHead(); }
    this.rows.render({ lines, scrollTop: this.grid.scrollTop, viewHeight: this.grid.clientHeight, version: this.version, scale: this.scale });
    this.drawNow();
    this.keyboard.drawCursor();
  }

  drawHead() {
    const { scale } = this;
    const now = this.now();
    const head = this.part("head");
    head.style.width = `${this.headWidth + scale.width}px`;
    const lane = el("div", { class: "head-lane" });
    lane.style.width = `${scale.width}px`;
    const hours = this.state.view === "month" ? [] : scale.hours();
    for (const day of scale.days()) {
      const parts = partsIn(scale.zone, day.from);
      const today = day.from <= now && now < day.to;
      const words = day.width < 76 ? `${parts.day}` : dayWords(scale.zone, day.from, now);
      const cell = el("div", { class: `day${today ? " today" : ""}${day.weekend ? " weekend" : ""}`, role: "columnheader", aria: { label: dayWords(scale.zone, day.from, now), current: today ? "date" : undefined } },
        this.state.view === "day" ? el("span", {}, words) : el("button", { type: "button", tabindex: "-1", data: { day: day.from }, title: "Show this day" }, words));
      cell.style.left = `${day.x}px`;
      cell.style.width = `${day.width}px`;
      lane.append(cell);
    }
    for (const hour of hours) {
      const mark = el("span", { class: "hour", aria: { hidden: "true" } }, hour.label);
      mark.style.left = `${hour.x}px`;
      lane.append(mark);
    }
    const corner = el("div", { class: "corner", role: "columnheader" }, el("span", {}, "Device"), el("span", { class: "zone" }, zoneWords(scale.zone)));
    head.replaceChildren(corner, lane);
    head.classList.toggle("no-hours", !hours.length);
    this.drawLines(hours);
  }

  drawLines(hours) {
    const { scale } = this;
    const lines = this.part("lines");
    const nodes = [];
    const mark = (name, x, width) => {
      const node = el("i", { class: name });
      node.style.left = `${this.headWidth + x}px`;
      if (width !== undefined) node.style.width = `${width}px`;
      nodes.push(node);
    };
    for (const day of scale.days()) {
      if (day.weekend) mark("weekend", day.x, day.width);
      mark("day-line", day.x);
    }
    const past = Math.min(scale.x(this.now()), scale.width);
    if (past > 0) mark("past", 0, past);
    for (const hour of hours) if (!hour.midnight) mark("hour-line", hour.x);
    lines.replaceChildren(...nodes);
  }

  drawNow() {
    const now = this.now();
    const line = this.part("now");
    line.hidden = !this.inRange(now);
    if (line.hidden) return;
    line.style.left = `${this.headWidth + this.scale.x(now)}px`;
    line.title = `Now, ${clock(this.state.zone, now)}`;
  }

  dressBlank(lines) {
    const blank = this.part("blank");
    const { failure, state } = this;
    const show = (...children) => { blank.hidden = false; blank.replaceChildren(...children); };
    if (!this.pages.size && failure) {
      show(el("div", { class: "empty" }, el("strong", {}, "The calendar could not be loaded."), el("p", {}, failure.message),
        el("button", { type: "button", class: "button", onclick: () => this.load() }, "Try again")));
    } else if (!this.pages.size) {
      show(el("div", { class: "skeleton", role: "status" }, el("span", { class: "visually-hidden" }, "Loading the calendar"), ...Array.from({ length: 12 }, () => el("i", {}))));
    } else if (!lines.length && !this.fetching && !this.loading) {
      const filtered = state.search || state.site || state.kind || state.free;
      show(filtered
        ? el("div", { class: "empty" }, el("strong", {}, state.search ? `No device matches “${state.search}” here.` : state.free ? "Nothing is free right now among these devices." : "No device matches these filters."),
          el("button", { type: "button", class: "button", onclick: () => this.show({ search: "", site: "", kind: "", free: false }) }, "Show all devices"))
        : el("div", { class: "empty" }, el("strong", {}, "There are no devices yet."), el("p", {}, "An operator adds sites and their devices in the administration; they appear here at once.")));
    } else blank.hidden = true;
  }

  // The bar above

  dressBar() {
    this.part("prev").addEventListener("click", () => this.step(-1));
    this.part("next").addEventListener("click", () => this.step(1));
    this.part("today").addEventListener("click", () => this.goTo(this.now()));
    this.part("date").addEventListener("change", (event) => {
      const date = fromInput(this.state.zone, event.target.value);
      if (!Number.isNaN(date)) this.goTo(date);
    });
    for (const button of this.root.querySelectorAll("[data-view]")) button.addEventListener("click", () => this.show({ view: button.dataset.view }, { push: true }));
    this.part("zoom-in")?.addEventListener("click", () => this.zoom(2));
    this.part("zoom-out")?.addEventListener("click", () => this.zoom(0.5));
    let typing = 0;
    this.part("search")?.addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => this.show({ search: event.target.value.trim() }), 250);
    });
    this.part("filters")?.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-filter]");
      if (!chip) return;
      const { filter, value } = chip.dataset;
      if (filter === "free") this.show({ free: !this.state.free }, { reload: false });
      else this.show({ [filter]: this.state[filter] === value ? "" : value });
    });
    this.part("book")?.addEventListener("click", () => this.booking.begin({ rows: [], from: this.nextStart(), to: this.nextStart() + 60 * MINUTE, focus: true }));
    this.part("help")?.addEventListener("click", () => this.keyboard.showHelp());
  }

  /** Return a start that is near and round: the next full quarter of an hour. */
  nextStart() { return this.scale.snap(Math.max(this.now(), this.range.from), 15, Math.ceil); }

  goTo(ms) { this.show({ date: startOfDay(this.state.zone, ms) }, { push: true }); }
  step(direction) { this.goTo(stepped(this.state.view, this.state.zone, this.state.date, direction)); }

  zoom(factor) {
    const zoom = Math.min(Math.max(this.state.zoom * factor, 1), 4);
    if (zoom === this.state.zoom) return;
    const middle = this.scale.at(this.grid.scrollLeft + (this.grid.clientWidth - this.headWidth) / 2);
    const focus = this.inRange(this.now()) && this.state.zoom === 1 ? this.now() : middle;
    this.show({ zoom }, { reload: false });
    this.grid.scrollLeft = this.scale.x(focus) - (this.grid.clientWidth - this.headWidth) / 2;
  }

  dressBarState() {
    const { view, zone, date } = this.state;
    for (const button of this.root.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
    this.part("date").value = toDateInput(zone, date);
    const last = addDays(zone, this.range.to, -1);
    this.part("range").textContent = view === "month" ? monthWords(zone, this.range.from)
      : view === "week" ? `${dayWords(zone, this.range.from, this.now()).slice(4)} – ${dayWords(zone, last, this.now()).slice(4)}`
      : dayWords(zone, this.range.from, this.now());
    this.part("today").setAttribute("aria-disabled", String(this.inRange(this.now())));
    if (this.part("zoom-in")) this.part("zoom-in").disabled = this.state.zoom >= 4;
    if (this.part("zoom-out")) this.part("zoom-out").disabled = this.state.zoom <= 1;
    const search = this.part("search");
    if (search && document.activeElement !== search) search.value = this.state.search;
    this.dressFilters();
    this.root.dataset.view = view;
  }

  dressFilters() {
    const filters = this.part("filters");
    if (!filters) return;
    const chip = (filter, value, label) => el("button", {
      type: "button", class: "chip", data: { filter, value }, aria: { pressed: String(filter === "free" ? this.state.free : this.state[filter] === value) },
    }, label);
    const sites = this.sites.length ? this.sites.map((site) => [site.slug, site.name]) : this.state.site ? [[this.state.site, this.state.site]] : [];
    const kinds = [...new Set([...(this.adapters ?? []).flatMap((adapter) => adapter.kinds), this.state.kind].filter(Boolean))];
    const wanted = [
      chip("free", "1", "Free now"),
      ...sites.map(([slug, name]) => chip("site", slug, name)),
      ...kinds.map((kind) => chip("kind", kind, kindWords(kind))),
    ];
    const signature = wanted.map((node) => node.outerHTML).join("");
    if (signature === this.shownFilters) return;
    const focused = document.activeElement?.closest?.("[data-filter]");
    this.shownFilters = signature;
    const groups = ["free", "site", "kind"].map((name) => el("div", { class: "chips", role: "group", aria: { label: { free: "Availability", site: "Sites", kind: "Kinds" }[name] } }, wanted.filter((node) => node.dataset.filter === name)));
    filters.replaceChildren(...groups.filter((group) => group.children.length));
    if (focused) filters.querySelector(`[data-filter="${focused.dataset.filter}"][data-value="${CSS.escape(focused.dataset.value)}"]`)?.focus();
  }

  dressStatus() {
    const status = this.part("status");
    if (this.failure && this.pages.size) {
      status.className = "board-status stale";
      status.replaceChildren(el("span", {}, `Not updating. As of ${clockWithSeconds(this.state.zone, this.loadedAt)}.`),
        el("button", { type: "button", class: "button small", onclick: () => this.refresh() }, "Try again"));
      return;
    }
    if (status.className !== "board-status" || !status.firstChild) { status.className = "board-status"; }
    const words = this.total === undefined || this.only ? "" : count(this.total, "device");
    if (status.textContent !== words) status.replaceChildren(el("span", { class: "quiet" }, words));
  }

  // Listening

  listen() {
    this.grid.addEventListener("scroll", () => { this.schedule(); this.fetchMore(); }, { passive: true });
    new ResizeObserver(() => { if (this.state.view !== "agenda" && this.grid.clientWidth !== this.measuredWidth) this.schedule(); }).observe(this.grid);
    this.canvas.addEventListener("click", (event) => {
      const twist = event.target.closest("[data-toggle]");
      const add = event.target.closest("[data-add]");
      if (twist) this.toggle(twist.dataset.toggle);
      else if (add) this.booking.addDevice(add.dataset.add);
    });
    this.part("head").addEventListener("click", (event) => {
      const day = event.target.closest("[data-day]");
      if (day) this.show({ view: "day", date: Number(day.dataset.day) }, { push: true });
    });
    addEventListener("popstate", () => {
      Object.assign(this.state, readAddress(viewerZone(), { now: this.now(), view: phone.matches ? "agenda" : "week" }));
      this.changed({ reload: true });
    });
    onZone((zone) => {
      const shown = partsIn(this.state.zone, this.state.date);
      this.show({ zone, date: fromInput(zone, `${shown.year}-${String(shown.month).padStart(2, "0")}-${String(shown.day).padStart(2, "0")}`) });
      this.panel.redraw();
    });
    phone.addEventListener("change", () => { if (phone.matches) this.show({ view: "agenda" }); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.refresh(); });
    setInterval(() => { if (!document.hidden) this.refresh(); }, POLL);
    setInterval(() => { if (!document.hidden && !this.drag.busy) this.schedule(); }, MINUTE / 2);
  }

  toggle(key) {
    const closed = new Set(this.state.closed);
    if (!closed.delete(key)) closed.add(key);
    this.show({ closed }, { reload: false });
  }

  /** Show wishes on the rows until the server has answered. */
  setGhosts(ghosts) { this.state.ghosts = ghosts; this.redraw(); }

  setSelection(selection) { this.state.selection = selection; this.redraw(); }
}

const root = document.getElementById("board");
if (root) root.board = new Board(root, readConfig("board-config"));
