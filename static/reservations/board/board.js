/** The board: what is shown, what is loaded, and the loop that draws it. */

import { readConfig } from "../../portal/dom.js";
import { fromInput, MINUTE, momentWords, partsIn, startOfDay } from "../../portal/time.js";
import { onZone, viewerZone } from "../../portal/zone.js";
import { healthOf } from "../states.js";
import { readAddress, writeAddress } from "./address.js";
import { Agenda } from "./agenda.js";
import { fetchAdapters, fetchCalendar, fetchSites, PAGE } from "./api.js";
import { dressBar, dressBarState, dressFilters, dressStatus } from "./bar.js";
import { drawBlank } from "./blank.js";
import { Booking } from "./booking.js";
import { Details } from "./details.js";
import { Drag } from "./drag.js";
import { drawHead, drawNow } from "./head.js";
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
    dressBar(this);
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
    dressBarState(this);
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
    if (!site && !kind && !search && page.total <= PAGE) this.seenKinds = [...new Set(page.rows.map((row) => row.kind))];
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
    dressFilters(this);
    dressStatus(this);
    this.redraw();
  }

  fail(error) {
    this.failure = error;
    dressStatus(this);
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
      dressStatus(this);
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
      dressFilters(this);
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
    drawBlank(this, lines);
    if (agenda) { this.agenda.render(this.version); return; }
    if (this.grid.clientWidth && this.grid.clientWidth !== this.measuredWidth) { this.measuredWidth = this.grid.clientWidth; this.measure(); this.version += 1; }
    const rest = Math.max((this.total ?? 0) - this.loadedRows(), 0);
    this.grid.setAttribute("aria-rowcount", lines.length + 1);
    this.canvas.style.height = `${height + (this.state.free ? 0 : rest * 32)}px`;
    this.canvas.style.width = `${this.headWidth + this.scale.width}px`;
    if (this.shownHead !== this.version) { this.shownHead = this.version; drawHead(this); }
    this.rows.render({ lines, scrollTop: this.grid.scrollTop, viewHeight: this.grid.clientHeight, version: this.version, scale: this.scale });
    drawNow(this);
    this.keyboard.drawCursor();
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
