/** The tree on the left and the lanes beside it; only what is visible is in the document. */

import { el, icon } from "../../portal/dom.js";
import { offsetMinutes, offsetWords, zoneWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { healthOf, healthWhy, kindWords, modelBeside } from "../states.js";
import { drawEntry, drawFrame } from "./entries.js";
import { drawFree } from "./free.js";
import { indexAt } from "./lines.js";

const OVERSCAN = 8;

/** Return the words for a group line: its site, its kind or its model. */
export function groupWords({ kind, group }) {
  if (kind === "site") return group.site_name;
  return kind === "model" && group.model ? group.model : kindWords(group.kind);
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
    this.above = el("div", { class: "above", aria: { hidden: "true" } });
    canvas.prepend(this.above);
  }

  /** Return the first and the last line that is drawn. */
  visible({ lines, scrollTop, viewHeight }) {
    return [Math.max(indexAt(lines, scrollTop) - OVERSCAN, 0), Math.min(indexAt(lines, scrollTop + viewHeight) + OVERSCAN, lines.length - 1)];
  }

  /** Bring the document in line with what is visible; a line is rebuilt only when its version changed. */
  render({ lines, scrollTop, viewHeight, version, scale }) {
    const [first, last] = this.visible({ lines, scrollTop, viewHeight });
    const wanted = new Map();
    for (let i = first; i <= last; i += 1) wanted.set(lines[i].key, i);
    for (const [key, node] of this.drawn) if (!wanted.has(key)) { node.remove(); this.drawn.delete(key); }
    const fresh = document.createDocumentFragment();
    for (const [key, i] of wanted) {
      const line = lines[i];
      let node = this.drawn.get(key);
      if (!node || node.shownVersion !== version) {
        const made = this.draw(line, i, scale);
        made.shownVersion = version;
        if (node) node.replaceWith(made); else fresh.append(made);
        node = made;
        this.drawn.set(key, node);
      }
      if (node.shownTop !== line.top) { node.shownTop = line.top; node.style.top = `${line.top}px`; }
    }
    this.canvas.append(fresh);
    this.drawAbove(lines, scrollTop, version);
  }

  /** The groups that a device stands in stay in sight while their rows pass below. */
  drawAbove(lines, scrollTop, version) {
    let at = lines.length ? indexAt(lines, scrollTop) : -1;
    // A group whose own line is in sight needs no copy of it.
    const groups = [];
    for (; at >= 0; at -= 1) {
      const { type, top } = lines[at];
      if (type !== "device" && top < scrollTop && (type === "outer" || !groups.length)) groups.unshift(lines[at]);
      if (type === "outer") break;
    }
    const signature = `${version} ${groups.map((line) => line.key)}`;
    if (this.shownAbove === signature) return;
    this.shownAbove = signature;
    this.above.replaceChildren(...groups.map((line) => {
      const { scale } = this.board;
      const lane = el("div", { class: "lane" });
      lane.style.width = `${scale.width}px`;
      drawFree(lane, line, this.board, scale, { numbers: line.type === "outer" });
      return el("div", { class: `line ${line.type} ${line.kind}` }, this.groupHead(line, scale, true), lane);
    }));
  }

  draw(line, index, scale) {
    const node = el("div", { class: line.type === "device" ? "line device" : `line ${line.type} ${line.kind}`, role: "row", data: { line: line.key }, aria: { rowindex: index + 2 } });
    if (line.type === "device" && !line.row) {
      node.classList.add("waiting");
      node.append(el("div", { class: "head", role: "rowheader" }, el("span", { class: "visually-hidden" }, _("Loading"))));
      return node;
    }
    node.append(line.type === "device" ? this.deviceHead(line) : this.groupHead(line, scale));
    const lane = el("div", { class: "lane" });
    lane.style.width = `${scale.width}px`;
    if (line.type === "device") this.fill(lane, line.row, scale);
    else {
      const hours = line.kind === "site" && this.siteHours(lane, line.group, scale);
      drawFree(lane, line, this.board, scale, { numbers: line.type === "outer" && !hours });
    }
    node.append(lane);
    return node;
  }

  toggle(line, label) {
    return el("button", {
      type: "button", class: "twist", tabindex: "-1", data: { toggle: line.toggle },
      aria: { expanded: String(line.open), label: line.open ? _("Close {name}", { name: label }) : _("Open {name}", { name: label }) },
    }, icon("chevron"));
  }

  groupHead(line, scale, copy = false) {
    const { group } = line;
    const label = groupWords(line);
    const head = el("div", { class: "head", role: copy ? undefined : "rowheader", aria: { colindex: copy ? undefined : 1 } },
      this.toggle(line, label), el("span", { class: "name" }, label), el("span", { class: "count" }, String(line.count)),
      line.kind === "model" && group.model && el("span", { class: "model" }, kindWords(group.kind)));
    if (line.kind !== "site") return head;
    const shift = offsetMinutes(group.site_time_zone, scale.from) - offsetMinutes(scale.zone, scale.from);
    const silent = this.board.silentSince(group.site);
    const asks = this.board.asksFirst(group.site);
    if (asks) head.append(el("span", { class: "asks", title: asks }, _("approves")));
    if (silent) head.append(el("span", { class: "silent", title: silent }, icon("warning"), el("span", {}, _("silent"))));
    if (shift) head.append(el("span", { class: "zone", title: _("{site} is in {zone}, {offset} h from the times shown.", { site: group.site_name, zone: zoneWords(group.site_time_zone), offset: offsetWords(shift) }) }, _("{offset} h", { offset: offsetWords(shift) })));
    return head;
  }

  /** Where a site's clocks differ from the viewer's, its own hours stand in its line. */
  siteHours(lane, group, scale) {
    const shift = offsetMinutes(group.site_time_zone, scale.from) - offsetMinutes(scale.zone, scale.from);
    if (!shift) return false;
    for (const hour of scale.hours(group.site_time_zone)) {
      const mark = el("span", { class: "site-hour", aria: { hidden: "true" } }, hour.label);
      mark.style.left = `${hour.x}px`;
      lane.append(mark);
    }
    return true;
  }

  deviceHead(line) {
    const { row, above } = line;
    const [health] = healthOf(row);
    const words = healthWhy(row);
    const name = nameBelow(row.name, above?.name);
    const head = el("div", { class: "head", role: "rowheader", aria: { colindex: 1 } },
      line.toggle ? this.toggle(line, _("the parts of {device}", { device: row.name })) : el("span", { class: "twist" }),
      el("span", { class: "dot", data: { health }, title: words }),
      el("a", { class: "name", href: `/resources/${row.id}/`, tabindex: "-1", title: [row.name, row.model].filter(Boolean).join(" · "), aria: { label: row.name } }, name),
      el("span", { class: "visually-hidden" }, words),
      this.board.state.group !== "model" && el("span", { class: "model" }, modelBeside(row.model, above?.model)),
      this.board.isAdding() && el("button", { type: "button", class: "add", tabindex: "-1", data: { add: row.id }, aria: { label: _("Add {device} to the booking", { device: row.name }) } }, icon("plus")));
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
