/** A booking in the making: what is wished for, what the server says of it, and the request. */

import { newKey } from "../../portal/api.js";
import { el } from "../../portal/dom.js";
import { HOUR, iso, MINUTE, windowWords } from "../../portal/time.js";
import { toast } from "../../portal/toast.js";
import { _ } from "../../portal/words.js";
import { watchKeys } from "../keyless.js";
import { act, checkBooking, createReservation, fetchAdapters, fetchResource, findSlots } from "./api.js";
import { takeBack } from "./changes.js";
import { Hold } from "./hold.js";
import { SECTIONS } from "./sections.js";
import { AdapterSettings } from "./settings.js";

export class Booking {
  constructor(board) {
    this.board = board;
    this.open = false;
    this.hold = new Hold(this);
    this.clear();
    watchKeys(board.config, () => { if (this.open) this.drawParts(); });
  }

  clear() { Object.assign(this, { rows: [], wishes: [], settings: new Map(), purpose: "", connected: false, given: null }); }

  /** How many devices are asked for. */
  get number() { return this.rows.length + this.wishes.reduce((sum, wish) => sum + wish.count, 0); }

  /** Open the form, or take the new selection into the open one. */
  begin({ rows, from, to, keep = false, focus = false, given = null }) {
    if (!this.open) this.clear();
    if (given) Object.assign(this, { given, purpose: given.purpose, connected: given.connected, wishes: given.wishes }, { given: { ...given, lines: JSON.stringify([rows, given.wishes.map((wish) => wish.kind)]) } });
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
    this.hold.drop();
    this.checking?.abort();
    this.board.state.ghosts = [];
    this.board.setSelection(null);
  }

  // Drawing

  draw({ focus = false } = {}) {
    this.parts = Object.fromEntries(SECTIONS.map(({ name }) => [name, el("div", { class: `part-${name}` })]));
    for (const { name, draw, still } of SECTIONS) if (still) this.parts[name].replaceChildren(...draw(this));
    const form = el("form", { class: "stack booking", novalidate: true, onsubmit: (event) => { event.preventDefault(); this.submit(); } }, Object.values(this.parts));
    this.drawParts();
    this.board.panel.show({ title: _("New booking"), body: form, owner: this, focus, redraw: () => this.drawParts() });
  }

  drawParts() { if (this.parts) for (const { name, still } of SECTIONS) if (!still) this.drawPart(name); }

  /** Draw one section again; without nodes it stays as it is. */
  drawPart(name) {
    const nodes = SECTIONS.find((section) => section.name === name).draw(this);
    if (Array.isArray(nodes)) this.parts[name].replaceChildren(...nodes);
  }

  drawAnswer() { this.drawPart("warnings"); this.drawPart("answer"); }

  /** Bring the forms of the adapters in line with the devices; what was filled in stays. */
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
        if (adapter && !this.settings.has(name)) this.settings.set(name, new AdapterSettings(adapter, { given: this.given?.settings.get(name), projectOf: () => this.project.value, onChange: () => this.changed() }));
      }
      const wanted = [...this.settings.values()].filter((one) => !one.empty).map((one) => one.node);
      const shown = [...this.parts.settings.children];
      if (wanted.length !== shown.length || wanted.some((node, i) => node !== shown[i])) this.parts.settings.replaceChildren(...wanted);
    } catch { /* the server says what is missing */ }
  }

  // Asking the server

  /** Return the request as it stands. */
  ask() {
    const given = (name) => { const settings = this.settings.get(name); return { parameters: settings?.values ?? {}, artefacts: settings?.artefacts ?? {} }; };
    // A tie names another line by its place: it holds while the lines are those that were brought along.
    const lines = JSON.stringify([this.rows, this.wishes.map((wish) => wish.kind)]);
    const byKind = (kind) => [...this.settings.values()].find((one) => one.adapter.kinds.includes(kind))?.adapter.name;
    return Object.assign({
      project: this.project.value,
      purpose: this.purpose.trim(),
      starts_at: iso(this.from),
      ends_at: iso(this.to),
      resources: [
        ...this.rows.map((resource) => ({ resource, ...given(this.adapterOf?.get(resource)) })),
        ...this.wishes.map(({ kind, model, count: number, site, same_site_as: tied, ...more }) => ({ kind, count: number, ...(model && { model }), ...(site && { site }), ...(tied !== undefined && lines === this.given?.lines && { same_site_as: tied }), ...more, ...given(byKind(kind)) })),
      ],
    }, ...SECTIONS.map(({ ask }) => ask?.(this) || {}));
  }

  /** The wish changed: show it on the board, and ask whether it would work. */
  changed() {
    if (!this.open) return;
    this.verdict = null;
    this.found = null;
    this.hold.change();
    if (!this.sending) this.refusal = null;
    this.key = newKey();
    const valid = this.to > this.from;
    this.board.setSelection(valid && this.rows.length ? { rows: this.rows, from: this.from, to: this.to } : null);
    this.drawAnswer();
    this.drawPart("submit");
    this.checking?.abort();
    clearTimeout(this.checkLater);
    if (!valid || !this.number || !this.project?.value) return;
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
    if (this.checking !== abort || !this.open || this.sending) return;
    if (this.verdict.would_book) this.hold.want();
    this.drawPart("devices");
    this.drawAnswer();
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
    const { purpose, starts_at, ends_at, ...ask } = this.ask();
    try {
      this.found = await findSlots({ ...ask, duration_s: Math.round((this.to - this.from) / 1000), earliest: iso(now + MINUTE), latest: iso(now + 14 * 24 * HOUR), limit: 4 });
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

  fail(message) {
    this.refusal = { status: 0, message, more: {} };
    this.drawAnswer();
  }

  async submit() {
    if (this.repeat?.active) { this.repeat.preview(); return; }
    if (this.sending || !this.number) return;
    const { board } = this;
    if (!(this.to > this.from)) { this.fail(_("The end has to lie after the start.")); return; }
    await this.drawSettings();
    for (const settings of this.settings.values()) {
      const missing = settings.missing();
      if (missing.length) { settings.node.open = true; this.fail(_("Still missing: {names}.", { names: missing.join(", ") })); return; }
    }
    this.checking?.abort();
    clearTimeout(this.checkLater);
    if (!await this.forewarned()) return;
    this.sending = true;
    this.hold.change();
    this.refusal = null;
    this.asked = { from: this.from, to: this.to };
    this.drawAnswer();
    this.drawPart("submit");
    board.state.selection = null;
    board.setGhosts(this.rows.map((row) => ({ row, from: this.from, to: this.to, label: this.purpose || _("Booking…") })));
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
    this.hold.drop({ booked: true });
    const window = windowWords(board.state.zone, this.from, this.to);
    board.details.show({ reservation: reservation.id, mine: true, fresh: true }, { reservation });
    toast(reservation.phase === "asked" ? _("Asked for: {window}.", { window }) : _("Booked: {window}.", { window }), {
      undo: () => takeBack(board, async () => { await act(reservation.id, "cancel"); board.panel.close(); }),
    });
  }
}
