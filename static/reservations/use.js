/** How much a lease uses its device: drawn, in words, and as a table; kept current while it runs. */

import { get } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { clock, durationWords, HOUR, MINUTE, momentWords, startOfDay, utcWords, zoneWords } from "../portal/time.js";
import { drawChart, holes } from "./use_chart.js";

const FRESH = 15 * MINUTE;
const AT_ONCE = 4;
const SHOWN = ["ACTIVE", "RELEASING", "RELEASED", "RELEASE_FAILED"];
const LOAD = "utilisation_percent";
const TABLE_ROWS = 24;

const percent = (value) => `${value < 10 && value % 1 ? value.toFixed(1) : Math.round(value)} %`;
const memory = (mib) => (mib >= 1024 ? `${mib >= 102400 ? Math.round(mib / 1024) : (mib / 1024).toFixed(1)} GiB` : `${Math.round(mib)} MiB`);
const plain = (unit) => (value) => `${value >= 100 || value % 1 === 0 ? Math.round(value) : value.toFixed(1)}${unit ? ` ${unit}` : ""}`;

/** What is shown first, in this order; whatever else is measured follows with its own name. */
const KNOWN = {
  memory_used_mib: { title: "Memory", words: memory, of: "memory_total_mib" },
  power_w: { title: "Power", words: plain("W") },
  cpu_seconds_per_s: { title: "Processor", words: (value) => `${value.toFixed(value < 10 ? 1 : 0)} cores` },
  instance_memory_used_mib: { title: "Main memory", words: memory },
  temperature_celsius: { title: "Temperature", words: plain("°C") },
  instance_processes: { title: "Processes", words: plain("") },
  processes: { title: "Processes", words: plain("") },
};
const HIDDEN = ["memory_total_mib", `${LOAD}_max`, LOAD];
const UNITS = [[/_percent$/, percent], [/_mib$/, memory], [/_w$/, plain("W")], [/_celsius$/, plain("°C")], [/_ms$/, plain("ms")], [/_per_s$/, plain("/s")]];

function describe(name) {
  if (KNOWN[name]) return KNOWN[name];
  const [unit, words] = UNITS.find(([pattern]) => pattern.test(name)) ?? [/$^/, plain("")];
  const title = name.replace(unit, "").replaceAll("_", " ");
  return { title: title.charAt(0).toUpperCase() + title.slice(1), words };
}

const seen = (values) => values.filter((value) => value !== null);
const highest = (values) => seen(values).reduce((most, value) => Math.max(most, value), 0);
const mean = (values) => { const known = seen(values); return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null; };

/** Return the rows of a chart, the most telling first; at most `most` of them. */
function rowsOf(columns, most) {
  const rows = [];
  if (columns[LOAD]) rows.push({ title: "Utilisation", tall: true, values: columns[LOAD], highest: columns[`${LOAD}_max`], top: 100, about: "of 100 %", lines: [0, 0.5, 1], words: percent });
  const names = Object.keys(columns).filter((name) => !HIDDEN.includes(name) && seen(columns[name]).length);
  const order = Object.keys(KNOWN);
  names.sort((a, b) => (order.indexOf(a) + 1 || 99) - (order.indexOf(b) + 1 || 99) || a.localeCompare(b));
  for (const name of names.slice(0, Math.max(0, most - rows.length))) {
    const { title, words, of } = describe(name);
    const total = of && columns[of] ? highest(columns[of]) : 0;
    rows.push({ title, words, values: columns[name], top: total || highest(columns[name]) || 1, about: total ? `of ${words(total)}` : highest(columns[name]) ? `up to ${words(highest(columns[name]))}` : "" });
  }
  return rows;
}

/** Return the columns in so few steps that a table can show them. */
function coarser(values, by, most = false) {
  const found = [];
  for (let i = 0; i < values.length; i += by) {
    const part = values.slice(i, i + by);
    found.push(seen(part).length ? (most ? highest(part) : mean(part)) : null);
  }
  return found;
}

const hours = (value) => durationWords(value * HOUR);
const said = (zone, ms, now) => (startOfDay(zone, ms) === startOfDay(zone, now) ? clock(zone, ms) : momentWords(zone, ms));

export class UsePanels {
  /** `now` says what time it is at the server. */
  constructor(now) {
    this.now = now;
    this.panels = new Map();
  }

  /** Return the panel of a lease; empty while there can be nothing to show. */
  panel(lease, { zone }) {
    if (!SHOWN.includes(lease.status) || !lease.opened_at) return "";
    let panel = this.panels.get(lease.id);
    if (!panel) {
      panel = { node: el("section", { class: "use", aria: { label: "Use" } }), use: null, failed: null };
      this.panels.set(lease.id, panel);
    }
    Object.assign(panel, { lease, zone });
    this.draw(panel);
    return panel.node;
  }

  /** Ask for the numbers of all leases that are shown, a few at a time. */
  async refresh() {
    const waiting = [...this.panels.values()].filter((panel) => !panel.asking && (!panel.use || !panel.over));
    const work = async () => { for (let panel = waiting.shift(); panel; panel = waiting.shift()) await this.ask(panel); };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async ask(panel) {
    panel.asking = true;
    try {
      const use = await get(`leases/${panel.lease.id}/use/`);
      const text = JSON.stringify(use);
      panel.over = panel.lease.status === "RELEASED";
      panel.failed = null;
      if (text === panel.text) return;
      Object.assign(panel, { use, text });
      this.draw(panel);
    } catch (problem) {
      // What is shown stays; the page itself says when nothing arrives any more.
      if (!panel.use) { panel.failed = problem; this.draw(panel); }
    } finally {
      panel.asking = false;
    }
  }

  draw(panel) {
    const { node, use, failed } = panel;
    const open = node.querySelector("details[open]") !== null;
    const held = node.contains(document.activeElement) && document.activeElement.className === "use-chart";
    node.replaceChildren(el("h3", {}, "Use"), ...(use ? this.drawUse(panel) : [failed ? this.drawFailed(panel) : el("p", { class: "quiet late", role: "status" }, "Loading the measurements…")]));
    if (open) node.querySelector("details")?.setAttribute("open", "");
    if (held) node.querySelector(".use-chart")?.focus({ preventScroll: true });
  }

  drawFailed(panel) {
    return el("p", { class: "use-words" }, `The measurements could not be loaded. ${panel.failed.message} `, el("button", { type: "button", class: "button small", onclick: () => this.ask(panel) }, "Try again"));
  }

  drawUse(panel) {
    const { use, zone } = panel;
    const steps = highest(Object.values(use.columns).map((column) => column.length));
    if (!steps) return [this.drawNothing(panel)];
    const from = Date.parse(use.began_at);
    const chart = { from, stepMs: use.step_s * 1000, steps, zone };
    const rows = rowsOf(use.columns, 5);
    const words = this.words(panel);
    if (holes(rows, steps).length) words.push(el("span", { class: "quiet" }, " Shaded: nothing was seen."));
    return [
      words.length ? el("p", { class: "use-words" }, words) : "",
      use.unmeasured && !use.columns[LOAD] ? el("p", { class: "quiet" }, `The device's own load is not measured: ${lower(use.unmeasured)}`) : "",
      drawChart({ ...chart, rows, label: `Use over time. ${words.map((word) => word.textContent ?? word).join("")}` }),
      this.drawMore(panel, chart, rows),
    ];
  }

  /** Return what the numbers come to, as a sentence. */
  words({ use, lease, zone }) {
    const now = this.now();
    const words = [];
    if (use.mean_utilisation_percent !== null) {
      const cards = Object.values(use.cards).filter((card) => card[LOAD]).length;
      words.push(el("strong", {}, percent(use.mean_utilisation_percent)), ` busy on average, measured over ${hours(use.measured_h / (cards || 1))}${cards > 1 ? ` on ${cards} cards` : ""}.`);
    }
    if (use.idle_since) {
      const since = Date.parse(use.idle_since);
      words.push(" ", el("span", { class: "use-idle", title: utcWords(since) }, `Idle since ${said(zone, since, now)}`), ` (${durationWords(now - since)} below 5 %).`);
    }
    const updated = use.updated_at && Date.parse(use.updated_at);
    if (lease.status === "ACTIVE" && updated && now - updated > FRESH) words.push(el("span", { class: "quiet" }, ` As of ${said(zone, updated, now)} ${zoneWords(zone)}: the site has told nothing since.`));
    return words;
  }

  drawNothing({ use, lease, zone }) {
    const now = this.now();
    const opened = Date.parse(lease.opened_at);
    const text = use.unmeasured ? `Not measured: ${lower(use.unmeasured)}`
      : lease.status !== "ACTIVE" ? "Nothing was measured while access was open."
      : now - opened < 5 * MINUTE ? `Measured since ${said(zone, opened, now)}. The first numbers come within a few minutes.`
      : "Not measured: this device does not tell how it is used, or its site has not told yet.";
    return el("p", { class: "quiet" }, text);
  }

  drawMore({ use, lease, zone }, { from, stepMs, steps }, rows) {
    const by = Math.ceil(steps / TABLE_ROWS);
    const columns = rows.flatMap((row) => [
      { title: row.title, words: row.words, values: coarser(row.values, by) },
      ...(row.highest ? [{ title: "Highest", words: row.words, values: coarser(row.highest, by, true) }] : []),
    ]);
    const cards = Object.entries(use.cards).filter(([, card]) => card[LOAD]);
    const moments = columns[0].values.map((_, i) => i).reverse();
    return el("details", {}, el("summary", {}, cards.length ? "Each card, and as a table" : "As a table"),
      el("div", { class: "stack use-more" },
        cards.length > 0 && el("ul", { class: "use-cards" }, cards.map(([card, own]) => el("li", {}, el("code", {}, card), el("span", {}, `${percent(mean(own[LOAD]) ?? 0)} on average`), el("span", { class: "quiet" }, own.memory_used_mib ? `${memory(highest(own.memory_used_mib))} of memory at most` : "")))),
        el("div", { class: "scroll-x", tabindex: "0", role: "group", aria: { label: "Measurements" } }, el("table", { class: "use-table" },
          el("caption", { class: "quiet" }, `Means of ${durationWords(by * stepMs)}, latest first, ${zoneWords(zone)}`),
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "From"), columns.map((column) => el("th", { scope: "col" }, column.title)))),
          el("tbody", {}, moments.map((i) => el("tr", {}, el("th", { scope: "row" }, momentWords(zone, from + i * by * stepMs)), columns.map((column) => el("td", {}, column.values[i] === null ? "–" : column.words(column.values[i])))))))),
        el("p", {}, el("a", { href: `/api/v1/leases/${lease.id}/use.csv`, download: "" }, "Take all of it away as CSV"))));
  }
}

const lower = (text) => text.charAt(0).toLowerCase() + text.slice(1);
