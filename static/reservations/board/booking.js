/** The form in the panel: devices, window, project, settings; the server decides. */

import { newKey } from "../../portal/api.js";
import { count, el, icon } from "../../portal/dom.js";
import { durationWords, fromInput, HOUR, iso, MINUTE, toInput, windowWords, zoneWords } from "../../portal/time.js";
import { toast } from "../../portal/toast.js";
import { drawKeyless, isReachedBySsh, watchKeys } from "../keyless.js";
import { healthOf, kindWords } from "../states.js";
import { drawWarnings } from "../warnings.js";
import { act, checkBooking, createReservation, fetchAdapters, fetchResource, findSlots } from "./api.js";
import { drawAlternatives, drawRefusal, reasonWords } from "./refusal.js";
import { AdapterSettings } from "./settings.js";

const LENGTHS = [1, 2, 4, 8, 24];

export class Booking {
  constructor(board) {
    this.board = board;
    this.open = false;
    this.rows = [];
    this.wishes = [];
    this.settings = new Map();
    this.purpose = "";
    this.connected = false;
    watchKeys(board.config, () => { if (this.open) this.drawParts(); });
  }

  /** Open the form, or take the new selection into the open one. */
  begin({ rows, from, to, keep = false, focus = false }) {
    if (!this.open) { this.wishes = []; this.purpose = ""; this.connected = false; this.settings = new Map(); this.rows = []; }
    this.rows = keep ? [...new Set([...this.rows, ...rows])] : rows;
    Object.assign(this, { from, to, refusal: null, found: null, key: newKey() });
    const wasOpen = this.open;
    this.open = true;
    if (wasOpen) this.drawParts(); else this.draw({ focus });
    this.changed();
  }

  addDevice(id) { if (!this.rows.includes(id)) { this.rows.push(id); this.drawParts(); this.changed(); } }

  toggleDevice(id) {
    this.rows = this.rows.includes(id) ? this.rows.filter((one) => one !== id) : [...this.rows, id];
    this.drawParts();
    this.changed();
  }

  /** The panel went to somebody else. */
  left() {
    this.open = false;
    this.checking?.abort();
    this.board.state.ghosts = [];
    this.board.setSelection(null);
  }

  // Drawing

  draw({ focus = false } = {}) {
    this.parts = Object.fromEntries(["devices", "window", "links", "settings", "keyless", "warnings", "answer", "submit"].map((name) => [name, el("div", { class: `part-${name}` })]));
    const { projects = [] } = this.board.config;
    this.project = el("select", { id: "booking-project", onchange: () => this.changed() }, projects.map((project) => el("option", { value: project.slug }, project.name)));
    const purpose = el("input", { id: "booking-purpose", type: "text", maxlength: "200", autocomplete: "off", value: this.purpose, placeholder: "What it is for, in a few words", oninput: (event) => { this.purpose = event.target.value; } });
    const form = el("form", { class: "stack booking", novalidate: true, onsubmit: (event) => { event.preventDefault(); this.submit(); } },
      this.parts.devices, this.parts.window,
      projects.length
        ? el("div", { class: "field" }, el("label", { for: "booking-project" }, "Project"), this.project)
        : el("p", { class: "note warn" }, "You are in no project yet. The lead of one can add you; then you can book."),
      el("div", { class: "field" }, el("label", { for: "booking-purpose" }, "Purpose"), purpose),
      this.parts.links, this.parts.settings, this.parts.keyless, this.parts.warnings, this.parts.answer, this.parts.submit);
    this.drawParts();
    this.board.panel.show({ title: "New booking", body: form, owner: this, focus, redraw: () => this.drawParts() });
  }

  drawParts() {
    if (!this.parts) return;
    this.drawDevices();
    this.drawWindow();
    this.drawLinks();
    this.drawSettings();
    this.drawAnswer();
    this.drawSubmit();
    const kinds = [...this.rows.map((id) => this.board.rowOf(id)?.kind ?? ""), ...this.wishes.map((wish) => wish.kind)];
    this.parts.keyless.replaceChildren(this.board.config.has_ssh_key === false && kinds.some(isReachedBySsh) ? drawKeyless() : "");
  }

  drawDevices() {
    const verdicts = new Map((this.verdict?.refusals ?? []).map((one) => [one.resource ?? `wish:${one.wish}`, one]));
    const item = (key, label, quiet, onremove, index, health) => {
      const verdict = verdicts.get(key) ?? verdicts.get(`wish:${index}`);
      return el("li", { class: "chosen" },
        health ? el("span", { class: "dot", data: { health: health[0] }, title: health[1] }) : el("span", { class: "times" }, icon("search")),
        el("span", { class: "chosen-name" }, label, quiet && el("span", { class: "quiet" }, ` ${quiet}`),
          verdict && el("span", { class: "errors chosen-why" }, reasonWords(verdict, { zone: this.board.state.zone, nameOf: (id) => this.board.nameOf(id) }))),
        this.verdict?.would_book && el("span", { class: "free", title: "Free for the whole window" }, icon("check"), el("span", { class: "visually-hidden" }, "free")),
        el("button", { type: "button", class: "icon-button", aria: { label: `Remove ${label}` }, onclick: onremove }, icon("close")));
    };
    const remove = (list, key) => () => { this[list] = this[list].filter((one) => one !== key); this.drawParts(); this.changed(); this.parts.devices.querySelector("button")?.focus(); };
    const items = [
      ...this.rows.map((id, index) => { const row = this.board.rowOf(id); return item(id, this.board.nameOf(id), row?.model, remove("rows", id), index, row ? healthOf(row) : ["unknown", ""]); }),
      ...this.wishes.map((wish, index) => item(wish, `${wish.count} × ${wish.model || kindWords(wish.kind, wish.count)}`, wish.site ? `at ${this.board.siteName(wish.site)}` : "anywhere", remove("wishes", wish), this.rows.length + index)),
    ];
    this.parts.devices.replaceChildren(
      el("div", { class: "label" }, "Devices"),
      items.length ? el("ul", { class: "chosen-list" }, items) : el("p", { class: "help" }, this.board.state.view === "agenda" ? "None yet. Say what you need below." : "None yet. Click rows on the board, or say what you need below."),
      this.drawWish());
  }

  /** “2 × L40S anywhere”: a class of device instead of a named one. */
  drawWish() {
    const rows = this.board.allRows();
    const options = new Map();
    for (const row of rows) if (!row.parent || row.depth) { options.set(`${row.kind}|`, kindWords(row.kind, 1)); if (row.model) options.set(`${row.kind}|${row.model}`, row.model); }
    const sorted = [...options].sort((a, b) => a[0].localeCompare(b[0]));
    const number = el("input", { type: "number", min: "1", max: "64", value: "1", aria: { label: "How many" }, class: "narrow" });
    const what = el("select", { aria: { label: "Of what" } }, sorted.map(([value, words]) => el("option", { value }, value.endsWith("|") ? `any ${words}` : words)));
    const where = el("select", { aria: { label: "Where" } }, el("option", { value: "" }, "anywhere"),
      this.board.sites.map((site) => el("option", { value: site.slug }, site.name)));
    const add = () => {
      const [kind, model] = what.value.split("|");
      this.wishes.push({ kind, model, count: Math.max(1, Number(number.value) || 1), site: where.value });
      this.drawParts();
      this.changed();
    };
    const details = el("details", { class: "wish", open: !this.rows.length && !this.wishes.length }, el("summary", {}, "Add by kind"),
      el("div", { class: "wish-line" }, number, el("span", { aria: { hidden: "true" } }, "×"), what, where, el("button", { type: "button", class: "button", onclick: add }, "Add")));
    return sorted.length ? details : "";
  }

  drawWindow() {
    const { zone } = this.board.state;
    const change = () => {
      const from = fromInput(zone, start.value);
      const to = fromInput(zone, end.value);
      if (Number.isNaN(from) || Number.isNaN(to)) return;
      Object.assign(this, { from, to });
      span.textContent = this.spanWords();
      this.changed();
    };
    const start = el("input", { type: "datetime-local", id: "booking-start", step: "300", value: toInput(zone, this.from), onchange: change });
    const end = el("input", { type: "datetime-local", id: "booking-end", step: "300", value: toInput(zone, this.to), onchange: change });
    const span = el("span", { class: "quiet" }, this.spanWords());
    const lengths = LENGTHS.map((hours) => el("button", { type: "button", class: "chip", aria: { pressed: String(this.to - this.from === hours * HOUR) }, onclick: () => { this.to = this.from + hours * HOUR; this.drawWindow(); this.changed(); } }, `${hours} h`));
    this.parts.window.replaceChildren(
      el("div", { class: "pair" },
        el("div", { class: "field" }, el("label", { for: "booking-start" }, "From"), start),
        el("div", { class: "field" }, el("label", { for: "booking-end" }, "To"), end)),
      el("div", { class: "lengths", role: "group", aria: { label: "Length" } }, lengths, span),
      el("p", { class: "help" }, `Times in ${zoneWords(zone)}.`));
  }

  spanWords() { return this.to > this.from ? durationWords(this.to - this.from) : "ends before it starts"; }

  async drawSettings() {
    const kinds = new Set(this.wishes.map((wish) => wish.kind));
    try {
      const adapters = await fetchAdapters();
      const resources = await Promise.all(this.rows.map((id) => fetchResource(id)));
      this.adapterOf = new Map(resources.map((resource) => [resource.id, resource.adapter]));
      const names = new Set(resources.map((resource) => resource.adapter));
      for (const adapter of adapters) if (adapter.kinds.some((kind) => kinds.has(kind))) names.add(adapter.name);
      for (const name of this.settings.keys()) if (!names.has(name)) this.settings.delete(name);
      for (const name of names) {
        const adapter = adapters.find((one) => one.name === name);
        if (adapter && !this.settings.has(name)) this.settings.set(name, new AdapterSettings(adapter, { projectOf: () => this.project.value, onChange: () => this.changed() }));
      }
      const wanted = [...this.settings.values()].filter((one) => !one.empty).map((one) => one.node);
      const shown = [...this.parts.settings.children];
      if (wanted.length !== shown.length || wanted.some((node, i) => node !== shown[i])) this.parts.settings.replaceChildren(...wanted);
    } catch { /* the server says what is missing */ }
  }

  /** What the booking would do to things of the holder's own, said before it is made. */
  drawWarnings() {
    this.parts.warnings.setAttribute("role", "status");
    this.parts.warnings.replaceChildren(...drawWarnings(this.verdict?.warnings ?? []));
  }

  drawAnswer() {
    const { zone } = this.board.state;
    this.drawWarnings();
    const options = { zone, nameOf: (id) => this.board.nameOf(id), onTake: (window) => this.take(window) };
    if (this.refusal) this.parts.answer.replaceChildren(drawRefusal(this.refusal, { ...options, asked: this.asked }));
    else if (this.found) this.parts.answer.replaceChildren(drawAlternatives(this.found.slots ?? [], { ...options, never: this.found.never }));
    else if (this.verdict?.alternatives?.length) this.parts.answer.replaceChildren(drawAlternatives(this.verdict.alternatives, options));
    else this.parts.answer.replaceChildren();
  }

  /** How many devices are asked for. */
  get number() {
    return this.rows.length + this.wishes.reduce((sum, wish) => sum + wish.count, 0);
  }

  drawLinks() {
    const box = el("input", { id: "booking-connected", type: "checkbox", onchange: (event) => { this.connected = event.target.checked; this.changed(); } });
    box.checked = this.connected;
    this.parts.links.replaceChildren(this.number > 1 ? el("div", { class: "field" }, el("label", { class: "check", for: "booking-connected" }, box, "They have to be wired to each other")) : "");
  }

  drawSubmit() {
    const { number } = this;
    this.button = el("button", { type: "submit", class: "button primary", disabled: this.sending || !number || !this.board.config.projects?.length },
      this.sending ? "Booking…" : number ? `Book ${count(number, "device")}` : "Book");
    this.parts.submit.replaceChildren(this.button,
      el("button", { type: "button", class: "button", disabled: !number || this.sending, title: "The earliest window of this length within two weeks", onclick: () => this.findEarliest() }, "Find the earliest"));
  }

  // Asking the server

  ask() {
    const given = (name) => { const settings = this.settings.get(name); return { parameters: settings?.values ?? {}, artefacts: settings?.artefacts ?? {} }; };
    const byKind = (kind) => [...this.settings.values()].find((one) => one.adapter.kinds.includes(kind))?.adapter.name;
    return {
      project: this.project.value,
      purpose: this.purpose.trim(),
      starts_at: iso(this.from),
      ends_at: iso(this.to),
      ...(this.connected && this.number > 1 && { connected: true }),
      resources: [
        ...this.rows.map((resource) => ({ resource, ...given(this.adapterOf?.get(resource)) })),
        ...this.wishes.map(({ kind, model, count: number, site }) => ({ kind, count: number, ...(model && { model }), ...(site && { site }), ...given(byKind(kind)) })),
      ],
    };
  }

  /** The wish changed: show it on the board, and ask whether it would work. */
  changed() {
    if (!this.open) return;
    this.verdict = null;
    this.found = null;
    if (!this.sending) this.refusal = null;
    this.key = newKey();
    const valid = this.to > this.from;
    this.board.setSelection(valid && this.rows.length ? { rows: this.rows, from: this.from, to: this.to } : null);
    this.drawAnswer();
    this.drawSubmit();
    this.checking?.abort();
    clearTimeout(this.checkLater);
    if (!valid || !(this.rows.length + this.wishes.length) || !this.project?.value) return;
    this.checkLater = setTimeout(() => this.check(), 350);
  }

  async check() {
    const abort = new AbortController();
    this.checking = abort;
    await this.drawSettings();
    if ([...this.settings.values()].some((one) => one.missing().length)) return;
    try {
      this.verdict = await checkBooking(this.ask(), abort.signal);
    } catch (problem) {
      if (problem.name === "AbortError" || problem.status !== 409) return;
      this.verdict = problem.more;
    }
    if (this.checking === abort && this.open && !this.sending) { this.drawDevices(); this.drawAnswer(); }
  }

  take({ from, to, resources }) {
    Object.assign(this, { from, to });
    if (resources.length && !this.wishes.length) this.rows = resources;
    this.key = newKey();
    this.drawParts();
    this.submit();
  }

  async findEarliest() {
    const now = this.board.now();
    const { project, purpose, starts_at, ends_at, ...ask } = this.ask();
    try {
      this.found = await findSlots({ ...ask, project, duration_s: Math.round((this.to - this.from) / 1000), earliest: iso(now + MINUTE), latest: iso(now + 14 * 24 * HOUR), limit: 4 });
      this.refusal = null;
    } catch (problem) {
      this.refusal = problem;
      this.asked = null;
    }
    this.drawAnswer();
    this.parts.answer.scrollIntoView({ block: "nearest" });
  }

  /** Nobody books what warns of something before the warning was on the screen. */
  async forewarned() {
    const chosen = [...this.settings.values()].some((one) => Object.keys(one.values).length);
    if (!chosen || this.verdict?.would_book) return true;
    await this.check();
    if (!this.verdict?.warnings?.length) return true;
    this.parts.warnings.scrollIntoView({ block: "nearest" });
    return false;
  }

  async submit() {
    if (this.sending || !(this.rows.length + this.wishes.length)) return;
    const { board } = this;
    const fail = (message) => { this.refusal = { status: 0, message, more: {} }; this.drawAnswer(); };
    if (!(this.to > this.from)) { fail("The end has to lie after the start."); return; }
    await this.drawSettings();
    for (const settings of this.settings.values()) {
      const missing = settings.missing();
      if (missing.length) { settings.node.open = true; fail(`Still missing: ${missing.join(", ")}.`); return; }
    }
    this.checking?.abort();
    clearTimeout(this.checkLater);
    if (!await this.forewarned()) return;
    this.sending = true;
    this.refusal = null;
    this.asked = { from: this.from, to: this.to };
    this.drawAnswer();
    this.drawSubmit();
    board.state.selection = null;
    board.setGhosts(this.rows.map((row) => ({ row, from: this.from, to: this.to, label: this.purpose || "Booking…" })));
    try {
      const reservation = await createReservation(this.ask(), this.key);
      this.sending = false;
      await board.refresh();
      board.state.ghosts = [];
      this.booked(reservation);
    } catch (problem) {
      this.sending = false;
      this.refusal = problem;
      this.verdict = problem.more;
      if (problem.status >= 400 && problem.status < 500) this.key = newKey();
      board.setGhosts(this.rows.map((row) => ({ row, ...this.asked, kind: "refused" })));
      setTimeout(() => { if (this.open) { board.state.ghosts = []; board.setSelection(this.rows.length ? { rows: this.rows, from: this.from, to: this.to } : null); } }, 400);
      this.drawParts();
      this.parts.answer.scrollIntoView({ block: "nearest" });
    }
  }

  booked(reservation) {
    const { board } = this;
    const { zone } = board.state;
    const asked = reservation.phase === "asked";
    board.details.show({ reservation: reservation.id, mine: true, fresh: true }, { reservation });
    toast(`${asked ? "Asked for" : "Booked"}: ${windowWords(zone, this.from, this.to)}.`, {
      undo: async () => {
        try { await act(reservation.id, "cancel"); toast("Taken back."); board.panel.close(); } catch (problem) { toast(problem.message); }
        board.refresh();
      },
    });
  }
}
