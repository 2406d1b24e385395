/** The tree on the left and the lanes beside it; only what is visible is in the document. */

import { el, icon } from "../../portal/dom.js";
import { offsetMinutes, offsetWords, zoneWords } from "../../portal/time.js";
import { healthOf, healthWhy, kindWords, modelBeside } from "../states.js";
import { drawEntry, drawFrame } from "./entries.js";

const HEIGHT = { site: 32, kind: 24, device: 32, more: 32 };
const OVERSCAN = 8;

/** Return the lines of the board with their place: sites, kinds, and devices whose parents are open. The rows come in this order. */
export function lineUp(rows, { closed, keep }) {
  const lines = [];
  let top = 0;
  let site = null;
  let kind = null;
  const hidden = new Set();
  const parents = new Set(rows.map((row) => row.parent).filter(Boolean));
  const shown = new Map();
  const add = (line) => { line.top = top; line.height = HEIGHT[line.type]; top += line.height; lines.push(line); };
  let siteLine = null;
  let kindLine = null;
  for (const row of rows) {
    if (!keep(row)) continue;
    if (row.site !== site) {
      site = row.site;
      kind = null;
      siteLine = { type: "site", key: `site:${site}`, toggle: site, row, open: !closed.has(site), count: 0 };
      add(siteLine);
    }
    // A filter may show parts without their whole; then they stand for themselves.
    const above = shown.get(row.parent);
    const depth = above ? above.depth + 1 : 0;
    shown.set(row.id, { row, depth });
    if (row.root_kind !== kind) {
      kind = row.root_kind;
      kindLine = { type: "kind", key: `kind:${site}/${kind}`, toggle: `${site}/${kind}`, row, open: !closed.has(`${site}/${kind}`), count: 0 };
      if (siteLine.open) add(kindLine);
    }
    if (depth === 0) { siteLine.count += 1; if (kindLine) kindLine.count += 1; }
    if (row.parent && (hidden.has(row.parent) || closed.has(row.parent))) { hidden.add(row.id); continue; }
    if (!siteLine.open || (kindLine && !kindLine.open)) { hidden.add(row.id); continue; }
    add({ type: "device", key: row.id, row, above: above?.row, depth, toggle: parents.has(row.id) ? row.id : null, open: !closed.has(row.id) });
  }
  return { lines, height: top };
}

/** Return the name of a part without that of its whole, which stands above it: “H100 1 slice A” is “slice A”. */
function nameBelow(name, whole) {
  const rest = whole && name.startsWith(whole) ? name.slice(whole.length) : "";
  // “H100 10” is no part of “H100 1”: something has to stand between.
  return /^[\s,·:/-]+\S/.test(rest) ? rest.replace(/^[\s,·:/-]+/, "") : name;
}

export class Rows {
  /** Draws lines into `canvas`; `board` answers what is on a row. */
  constructor({ canvas, board }) {
    this.canvas = canvas;
    this.board = board;
    this.drawn = new Map();
  }

  /** Bring the document in line with what is visible; a line is rebuilt only when its version changed. */
  render({ lines, scrollTop, viewHeight, version, scale }) {
    const first = Math.max(this.indexAt(lines, scrollTop) - OVERSCAN, 0);
    const last = Math.min(this.indexAt(lines, scrollTop + viewHeight) + OVERSCAN, lines.length - 1);
    const wanted = new Map();
    for (let i = first; i <= last; i += 1) wanted.set(lines[i].key, i);
    for (const [key, node] of this.drawn) if (!wanted.has(key)) { node.remove(); this.drawn.delete(key); }
    for (const [key, i] of wanted) {
      const line = lines[i];
      let node = this.drawn.get(key);
      if (!node || node.shownVersion !== version) {
        const fresh = this.draw(line, i, scale);
        fresh.shownVersion = version;
        if (node) node.replaceWith(fresh); else this.canvas.append(fresh);
        node = fresh;
        this.drawn.set(key, node);
      }
      node.style.top = `${line.top}px`;
    }
  }

  indexAt(lines, y) {
    let low = 0;
    let high = lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (lines[middle].top <= y) low = middle; else high = middle - 1;
    }
    return Math.max(low, 0);
  }

  draw(line, index, scale) {
    const node = el("div", { class: `line ${line.type}`, role: "row", data: { line: line.key }, aria: { rowindex: index + 2 } });
    node.append(line.type === "device" ? this.deviceHead(line) : this.groupHead(line, scale));
    const lane = el("div", { class: "lane" });
    lane.style.width = `${scale.width}px`;
    if (line.type === "device") this.fill(lane, line.row, scale);
    else if (line.type === "site") this.siteHours(lane, line.row, scale);
    node.append(lane);
    return node;
  }

  toggle(line, label) {
    return el("button", {
      type: "button", class: "twist", tabindex: "-1", data: { toggle: line.toggle },
      aria: { expanded: String(line.open), label: `${line.open ? "Close" : "Open"} ${label}` },
    }, icon("chevron"));
  }

  groupHead(line, scale) {
    const { row } = line;
    const label = line.type === "site" ? row.site_name : kindWords(row.root_kind);
    const head = el("div", { class: "head", role: "rowheader", aria: { colindex: 1 } },
      this.toggle(line, label), el("span", { class: "name" }, label), el("span", { class: "count" }, String(line.count)));
    if (line.type !== "site") return head;
    const shift = offsetMinutes(row.site_time_zone, scale.from) - offsetMinutes(scale.zone, scale.from);
    const silent = this.board.silentSince(row.site);
    if (silent) head.append(el("span", { class: "silent", title: silent }, icon("warning"), "silent"));
    if (shift) head.append(el("span", { class: "zone", title: `${row.site_name} is in ${zoneWords(row.site_time_zone)}, ${offsetWords(shift)} h from the times shown.` }, `${offsetWords(shift)} h`));
    return head;
  }

  /** Where a site's clocks differ from the viewer's, its own hours stand in its line. */
  siteHours(lane, row, scale) {
    const shift = offsetMinutes(row.site_time_zone, scale.from) - offsetMinutes(scale.zone, scale.from);
    if (!shift) return;
    for (const hour of scale.hours(row.site_time_zone)) {
      const mark = el("span", { class: "site-hour", aria: { hidden: "true" } }, hour.label);
      mark.style.left = `${hour.x}px`;
      lane.append(mark);
    }
  }

  deviceHead(line) {
    const { row, above } = line;
    const [health] = healthOf(row);
    const words = healthWhy(row);
    const name = nameBelow(row.name, above?.name);
    const head = el("div", { class: "head", role: "rowheader", aria: { colindex: 1 } },
      line.toggle ? this.toggle(line, `the parts of ${row.name}`) : el("span", { class: "twist" }),
      el("span", { class: "dot", data: { health }, title: words }),
      el("a", { class: "name", href: `/resources/${row.id}/`, tabindex: "-1", title: [row.name, row.model].filter(Boolean).join(" · "), aria: { label: row.name } }, name),
      el("span", { class: "visually-hidden" }, words),
      el("span", { class: "model" }, modelBeside(row.model, above?.model)),
      this.board.isAdding() && el("button", { type: "button", class: "add", tabindex: "-1", data: { add: row.id }, aria: { label: `Add ${row.name} to the booking` } }, icon("plus")));
    head.style.setProperty("--depth", line.depth);
    return head;
  }

  fill(lane, row, scale) {
    const { now, selection, ghosts, entries, settling } = this.board.on(row.id);
    if (row.quarantined || !row.in_service) lane.classList.add("closed");
    for (const entry of entries) {
      const node = drawEntry(entry, scale, { now, unsettled: settling.has(entry.reservation) });
      if (node) lane.append(node);
    }
    for (const ghost of ghosts) { const node = drawFrame(`ghost ${ghost.kind ?? ""}`, ghost.from, ghost.to, scale, ghost.label); if (node) lane.append(node); }
    if (selection) { const node = drawFrame("selection", selection.from, selection.to, scale); if (node) lane.append(node); }
  }
}
