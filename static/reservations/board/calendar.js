/** What is known of the calendar: where its groups stand, and the rows and entries near what is on the screen. */

import { fetchCalendar, PAGE } from "./api.js";

/** So many pages are kept; what lies farther from the screen is forgotten, and loaded again when it is wanted. */
const KEPT = 24;
const NOTHING = [];

export class Calendar {
  /** `asked()` returns what the view asks for; `changed()` hears of every answer, `failed(error)` of every failure. */
  constructor({ asked, changed, failed }) {
    Object.assign(this, { asked, changed, failed, drift: 0, loadedAt: null, generation: 0, under: new Map() });
    this.clear();
  }

  clear() {
    Object.assign(this, { groups: [], total: undefined, rows: [], places: new Map(), pages: new Map(), entries: new Map(), signature: "" });
  }

  get empty() { return !this.pages.size; }
  get loading() { return this.under.size > 0; }

  known() { return this.rows.filter(Boolean); }
  rowAt(place) { return this.rows[place]; }
  rowOf(id) { return this.rows[this.places.get(id)]; }
  entriesOf(id) { return this.entries.get(id) ?? NOTHING; }

  /** The view asks for something else: what is known stays on the screen until the answer is there. */
  begin() {
    this.generation += 1;
    this.abort();
    for (const page of this.pages.values()) page.old = true;
  }

  abort(keep = () => false) {
    for (const [number, request] of this.under) if (!keep(number)) { request.abort(); this.under.delete(number); }
  }

  /** Load the pages of these places that are not known; give up those that nobody waits for any more. */
  need(places, { ahead = true } = {}) {
    const wanted = new Set([...places].map((place) => Math.floor(place / PAGE)));
    if (!wanted.size) wanted.add(0);
    this.near = [...wanted];
    this.abort((number) => wanted.has(number) || wanted.has(number - 1) || wanted.has(number + 1));
    const missing = [...wanted].filter((number) => this.isMissing(number));
    for (const number of missing) this.load(number);
    if (!ahead || missing.length || this.loading) return;
    const last = Math.ceil((this.total ?? 0) / PAGE) - 1;
    const next = [Math.max(...wanted) + 1, Math.min(...wanted) - 1].find((number) => number >= 0 && number <= last && this.isMissing(number));
    if (next !== undefined) this.load(next);
  }

  isMissing(number) { return !this.under.has(number) && (!this.pages.has(number) || this.pages.get(number).old); }

  /** Load again what is on the screen; the rest is loaded when it comes into sight. */
  async refresh() {
    const near = (this.near ?? [0]).filter((number) => !this.under.has(number));
    for (const [number, page] of this.pages) if (!near.includes(number)) page.old = true;
    await Promise.all((near.length ? near : [0]).map((number) => this.load(number)));
  }

  async load(number) {
    const { generation } = this;
    const request = new AbortController();
    this.under.set(number, request);
    try {
      const answer = await fetchCalendar({ ...this.asked(), offset: number * PAGE, signal: request.signal });
      if (generation !== this.generation) return;
      this.under.delete(number);
      this.take(number, answer);
    } catch (error) {
      if (error.name === "AbortError" || generation !== this.generation) return;
      this.under.delete(number);
      this.failed(error);
    }
  }

  take(number, { groups, rows, entries, total, now }) {
    this.drift = Date.parse(now) - Date.now() || 0;
    this.loadedAt = Date.now();
    const signature = JSON.stringify(groups);
    // Rows came or went: no place that is known can be trusted any more.
    const moved = signature !== this.signature;
    if (moved) Object.assign(this, { groups, total, rows: [], places: new Map(), pages: new Map(), entries: new Map(), signature });
    const text = JSON.stringify([rows, entries]);
    const known = this.pages.get(number);
    this.pages.delete(number);
    this.pages.set(number, { text, ids: rows.map((row) => row.id), generation: this.generation });
    const same = !moved && known?.text === text && known.generation === this.generation;
    if (!same) {
      for (const id of known?.ids ?? NOTHING) { this.entries.delete(id); this.rows[this.places.get(id)] = undefined; this.places.delete(id); }
      for (const row of rows) { this.rows[row.place] = row; this.places.set(row.id, row.place); this.entries.set(row.id, []); }
      for (const entry of entries) this.entries.get(entry.row)?.push(entry);
      for (const row of rows) this.entries.get(row.id).sort((a, b) => a.starts_at - b.starts_at);
    }
    this.forget(number);
    this.changed({ same, moved });
  }

  forget(number) {
    const far = [...this.pages.keys()].sort((a, b) => Math.abs(b - number) - Math.abs(a - number));
    for (const old of far.slice(0, Math.max(far.length - KEPT, 0))) {
      for (const id of this.pages.get(old).ids) { this.rows[this.places.get(id)] = undefined; this.places.delete(id); this.entries.delete(id); }
      this.pages.delete(old);
    }
  }
}
