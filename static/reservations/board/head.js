/** The days and hours above the lanes, the lines below them, and now. */

import { el } from "../../portal/dom.js";
import { clock, dayWords, partsIn, zoneWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";

export function drawHead(board) {
  const { scale } = board;
  const now = board.now();
  const head = board.part("head");
  head.style.width = `${board.headWidth + scale.width}px`;
  const lane = el("div", { class: "head-lane" });
  lane.style.width = `${scale.width}px`;
  const hours = board.state.view === "month" ? [] : scale.hours();
  for (const day of scale.days()) {
    const parts = partsIn(scale.zone, day.from);
    const today = day.from <= now && now < day.to;
    const words = day.width < 76 ? `${parts.day}` : dayWords(scale.zone, day.from, now);
    const cell = el("div", { class: `day${today ? " today" : ""}${day.weekend ? " weekend" : ""}`, role: "columnheader", aria: { label: dayWords(scale.zone, day.from, now), current: today ? "date" : undefined } },
      board.state.view === "day" ? el("span", {}, words) : el("button", { type: "button", tabindex: "-1", data: { day: day.from }, title: _("Show this day") }, words));
    cell.style.left = `${day.x}px`;
    cell.style.width = `${day.width}px`;
    lane.append(cell);
  }
  for (const hour of hours) {
    const mark = el("span", { class: "hour", aria: { hidden: "true" } }, hour.label);
    mark.style.left = `${hour.x}px`;
    lane.append(mark);
  }
  const corner = el("div", { class: "corner", role: "columnheader" }, el("span", {}, _("Device")), el("span", { class: "zone" }, zoneWords(scale.zone)));
  head.replaceChildren(corner, lane);
  head.classList.toggle("no-hours", !hours.length);
  drawLines(board, hours);
}

function drawLines(board, hours) {
  const { scale } = board;
  const lines = board.part("lines");
  const nodes = [];
  const mark = (name, x, width) => {
    const node = el("i", { class: name });
    node.style.left = `${board.headWidth + x}px`;
    if (width !== undefined) node.style.width = `${width}px`;
    nodes.push(node);
  };
  for (const day of scale.days()) {
    if (day.weekend) mark("weekend", day.x, day.width);
    mark("day-line", day.x);
  }
  const past = Math.min(scale.x(board.now()), scale.width);
  if (past > 0) mark("past", 0, past);
  for (const hour of hours) if (!hour.midnight) mark("hour-line", hour.x);
  lines.replaceChildren(...nodes);
}

export function drawNow(board) {
  const now = board.now();
  const line = board.part("now");
  line.hidden = !board.inRange(now);
  if (line.hidden) return;
  line.style.left = `${board.headWidth + board.scale.x(now)}px`;
  line.title = _("Now, {time}", { time: clock(board.state.zone, now) });
}
