/** The board: what is shown, and the loop that draws it. */

import { el, readConfig } from "../../portal/dom.js";
import { fromInput, MINUTE, momentWords, startOfDay, toDateInput } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { onZone, viewerZone } from "../../portal/zone.js";
import { readAddress, writeAddress } from "./address.js";
import { Agenda } from "./agenda.js";
import { fetchAdapters, fetchSites } from "./api.js";
import { dressBar, dressBarState, dressFilters, dressStatus } from "./bar.js";
import { drawBlank } from "./blank.js";
import { Booking } from "./booking.js";
import { Calendar } from "./calendar.js";
import { Details } from "./details.js";
import { Drag } from "./drag.js";
import { FreeOverTime } from "./free.js";
import { drawHead, drawNow } from "./head.js";
import { Keyboard } from "./keyboard.js";
import { lineUp } from "./lines.js";
import { Live } from "./live.js";
import { Panel } from "./panel.js";
import { prefill } from "./prefill.js";
import { Rows } from "./rows.js";
import { rangeOf, Scale, stepped } from "./scale.js";

const phone = matchMedia("(max-width: 640px)");

export class Board {
  constructor(root, config) {
    this.root = root;
    this.config = config;
    this.only = root.dataset.only ?? null; // a resource's own page shows only its rows
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.grid = this.part("grid");
    this.canvas = this.part("canvas");
    this.voice = el("div", { class: "visually-hidden", role: "status" });
    root.append(this.voice);
    this.calendar = new Calendar({ asked: () => this.asked(), changed: (what) => this.learned(what), failed: (error) => this.fail(error) });
    this.calendar.drift = config.now ? Date.parse(config.now) - Date.now() : 0;
    this.state = { ...this.readState(), selection: null, ghosts: [], settling: new Set() };
    this.sites = [];
    this.version = 0;
    this.failure = null;
    this.freeOverTime = new FreeOverTime(this);
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
    prefill(this);
    this.live = new Live(() => this.refresh());
  }

  readState() { return readAddress(viewerZone(), { now: this.now(), view: phone.matches ? "agenda" : "week" }); }

  now() { return Date.now() + this.calendar.drift; }

  /** Return what the view asks of the calendar. */
  asked() {
    const { site, kind, model, search, free, group } = this.state;
    return { ...this.range, ...(this.only ? { resource: this.only } : { group, site, kind, model, search, free: free ? "true" : "" }) };
  }

  // What a row asks for while it is drawn

  on(id) {
    const { selection, ghosts, settling } = this.state;
    return {
      now: this.now(),
      entries: this.calendar.entriesOf(id),
      ghosts: ghosts.filter((ghost) => ghost.row === id),
      selection: selection?.rows.includes(id) ? selection : null,
      settling,
    };
  }

  isAdding() { return this.booking.open; }

  siteOf(slug) { return this.sites.find((site) => site.slug === slug); }

  silentSince(slug) {
    const site = this.siteOf(slug);
    if (!site || site.reachable) return "";
    return site.last_heard_at
      ? _("{site} was last heard of at {moment}. Bookings are kept; it prepares devices once it is back.", { site: site.name, moment: momentWords(this.state.zone, Date.parse(site.last_heard_at)) })
      : _("{site} has not been heard of yet.", { site: site.name });
  }

  /** Return what it means for a booking that the site's operators look at each one, or nothing. */
  asksFirst(slug) {
    const site = this.siteOf(slug);
    return site && site.approval !== "automatic" ? _("The operators of {site} approve each booking; until then it is asked for.", { site: site.name }) : "";
  }

  siteName(slug) { return this.siteOf(slug)?.name ?? this.calendar.groups.find((group) => group.site === slug)?.site_name ?? slug; }

  allRows() { return this.calendar.known(); }
  rowOf(id) { return this.calendar.rowOf(id); }

  nameOf(id) {
    const row = this.rowOf(id);
    return row ? `${row.site_name} · ${row.name}` : this.booking.given?.names[id] || _("A device");
  }

  // Changing what is shown

  /** Set parts of the view; `push` makes a step for the Back button. */
  show(changes, { push = false, reload = true } = {}) {
    Object.assign(this.state, changes);
    if (changes.free && !this.inRange(this.now())) this.state.date = startOfDay(this.state.zone, this.now());
    writeAddress(this.state, { now: this.now(), push });
    this.changed({ reload });
  }

  inRange(ms) { return this.range.from <= ms && ms < this.range.to; }

  changed({ reload = false } = {}) {
    // A phone shows one site at a time; the chips choose another.
    if (phone.matches && this.state.view !== "agenda" && !this.only && !this.state.site && this.state.group === "site" && this.sites.length > 1) {
      this.state.site = this.sites[0].slug;
      writeAddress(this.state, { now: this.now() });
    }
    this.range = rangeOf(this.state.view, this.state.zone, this.state.date);
    this.measure();
    dressBarState(this);
    if (reload) this.load();
    this.rearrange();
  }

  measure() {
    const style = getComputedStyle(this.root);
    this.headWidth = parseFloat(style.getPropertyValue("--head-width")) || 240;
    const width = Math.max(this.grid.clientWidth - this.headWidth, 200);
    this.scale = new Scale({ view: this.state.view, zone: this.state.zone, ...this.range, width, zoom: this.state.view === "agenda" ? 1 : this.state.zoom });
  }

  /** Put the lines anew, and draw. */
  rearrange() { this.lines = null; this.redraw(); }

  /** Rebuild what is drawn, in the next frame. */
  redraw() { this.version += 1; this.schedule(); }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.render(); });
  }

  // Loading

  load() {
    this.calendar.begin();
    this.root.classList.add("is-loading");
    this.needed();
  }

  /** Ask for the rows that are in sight. */
  needed() {
    const places = this.state.view === "agenda" ? this.agenda.places() : this.placesInSight();
    this.calendar.need(places);
  }

  placesInSight() {
    const { lines } = this.layout();
    if (!lines.length) return [];
    const [first, last] = this.rows.visible({ lines, scrollTop: this.grid.scrollTop, viewHeight: this.grid.clientHeight || 600 });
    return lines.slice(first, last + 1).filter((line) => line.type === "device").map((line) => line.place);
  }

  /** An answer came. */
  learned({ same, moved }) {
    const failed = this.failure;
    this.failure = null;
    if (!this.calendar.loading) this.root.classList.remove("is-loading");
    dressFilters(this);
    dressStatus(this);
    if (same && !failed) return;
    if (this.drag.busy && !moved) { this.late = true; return; }
    this.rearrange();
  }

  fail(error) {
    this.failure = error;
    this.root.classList.remove("is-loading");
    dressStatus(this);
    this.redraw();
  }

  /** Load what is visible again; redraw only if anything differs. */
  async refresh() {
    if (this.drag.busy) return;
    await this.calendar.refresh();
  }

  async loadAround() {
    try {
      const [sites, adapters] = await Promise.all([fetchSites(), fetchAdapters()]);
      this.sites = sites;
      this.adapters = adapters;
      if (phone.matches) this.changed({ reload: true });
      dressFilters(this);
      this.redraw();
    } catch { /* the board stands without it; the form asks again */ }
  }

  // Drawing

  layout() {
    this.lines ??= lineUp({ groups: this.calendar.groups, rowAt: (place) => this.calendar.rowAt(place) }, { closed: this.state.closed, group: this.only ? "site" : this.state.group });
    return this.lines;
  }

  render() {
    if (!this.scale) return;
    const agenda = this.state.view === "agenda";
    this.part("grid-frame").hidden = agenda;
    this.part("agenda").hidden = !agenda;
    const { lines, height } = this.layout();
    drawBlank(this, lines);
    if (agenda) { this.agenda.render(this.version); this.needed(); return; }
    if (this.grid.clientWidth && this.grid.clientWidth !== this.measuredWidth) { this.measuredWidth = this.grid.clientWidth; this.measure(); this.version += 1; }
    this.grid.setAttribute("aria-rowcount", lines.length + 1);
    this.canvas.style.height = `${height}px`;
    this.canvas.style.width = `${this.headWidth + this.scale.width}px`;
    if (this.shownHead !== this.version) { this.shownHead = this.version; drawHead(this); }
    this.rows.render({ lines, scrollTop: this.grid.scrollTop, viewHeight: this.grid.clientHeight, version: this.version, scale: this.scale });
    drawNow(this);
    this.keyboard.drawCursor();
    this.needed();
    this.freeOverTime.want();
    if (!this.drawnOnce && !this.calendar.empty) { this.drawnOnce = true; performance.mark("board-drawn"); }
  }

  /** Say something to people who do not see it. */
  say(words) { this.voice.textContent = words; }

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
    this.canvas.style.width = `${this.headWidth + this.scale.width}px`;
    this.grid.scrollLeft = this.scale.x(focus) - (this.grid.clientWidth - this.headWidth) / 2;
  }

  // Listening

  listen() {
    this.grid.addEventListener("scroll", () => this.schedule(), { passive: true });
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
      Object.assign(this.state, this.readState());
      this.changed({ reload: true });
    });
    onZone((zone) => {
      this.show({ zone, date: fromInput(zone, toDateInput(this.state.zone, this.state.date)) });
      this.panel.redraw();
    });
    phone.addEventListener("change", () => { if (phone.matches) this.show({ view: "agenda" }); });
    setInterval(() => { if (!document.hidden && !this.drag.busy) this.schedule(); }, MINUTE / 2);
  }

  toggle(key) {
    const closed = new Set(this.state.closed);
    if (!closed.delete(key)) closed.add(key);
    this.show({ closed }, { reload: false });
  }

  /** Show wishes on the rows until the server has answered. */
  setGhosts(ghosts) { this.state.ghosts = ghosts; if (this.late) { this.late = false; this.lines = null; } this.redraw(); }

  setSelection(selection) { this.state.selection = selection; this.redraw(); }
}

const root = document.getElementById("board");
if (root) root.board = new Board(root, readConfig("board-config"));
