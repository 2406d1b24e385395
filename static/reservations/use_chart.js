/** Draws measurements over time: even steps, gaps where nothing was seen, one reading under the pointer or the keys. */

import { el } from "../portal/dom.js";
import { clock, dayWords, DAY, HOUR, MINUTE, momentWords, startOfDay } from "../portal/time.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000;
const TICKS = [MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

/** Return the runs of steps that have a value: `[[first, last], …]`. */
function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (value === null) return;
    if (found.length && found.at(-1)[1] === i - 1) found.at(-1)[1] = i;
    else found.push([i, i]);
  });
  return found;
}

/** Return the runs of steps in which nothing at all was seen. */
export function holes(rows, steps) {
  return runs(Array.from({ length: steps }, (_, i) => (rows.every((row) => row.values[i] === null) ? 0 : null)));
}

/** Return a path of steps; with a floor, the area under them. */
function path(values, { x, y, floor = null }) {
  return runs(values).map(([first, last]) => {
    const line = [];
    for (let i = first; i <= last; i += 1) line.push(`${i === first ? "M" : "V"}${i === first ? `${x(i)} ` : ""}${y(values[i])}H${x(i + 1)}`);
    return floor === null ? line.join("") : `${line.join("")}V${floor}H${x(first)}Z`;
  }).join("");
}

/** Return the plot of one row, without words: they stand beside it. */
function plot(row, { x, height, unseen }) {
  const svg = shape("svg", { class: "use-svg", viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const y = (value) => Math.round((height - 1 - (Math.min(Math.max(value, 0), row.top) / row.top) * (height - 2)) * 10) / 10;
  for (const [first, last] of unseen) {
    svg.append(shape("rect", { class: "use-gap", x: x(first), y: 0, width: x(last + 1) - x(first), height }));
  }
  for (const share of row.lines ?? [0]) svg.append(shape("path", { class: "use-grid", d: `M0 ${y(share * row.top)}H${WIDTH}` }));
  if (row.highest) svg.append(shape("path", { class: "use-highest", d: path(row.highest, { x, y, floor: height - 1 }) }));
  svg.append(shape("path", { class: "use-area", d: path(row.values, { x, y, floor: height - 1 }) }));
  svg.append(shape("path", { class: "use-line", d: path(row.values, { x, y }) }));
  return svg;
}

/** Return round moments between two, few enough to be read. */
function ticks(zone, from, to, most) {
  const step = TICKS.find((each) => (to - from) / each <= most) ?? TICKS.at(-1);
  const found = [];
  // Counted from midnight, so that they are round on the viewer's clock.
  for (let at = startOfDay(zone, from); at <= to; at += step) if (at >= from) found.push(at);
  return { step, found };
}

/** Return the place of a step's middle, in percent. */
const middle = (i, steps) => `${((i + 0.5) / steps) * 100}%`;

/**
 * Return a chart of rows over one time: `{ title, about, values, highest, top, lines, words }` each. `words(value)` says a
 * value; `label` is what the chart shows, in words, for those who do not see it.
 */
export function drawChart({ rows, from, stepMs, steps, zone, label }) {
  const to = from + steps * stepMs;
  const x = (i) => Math.round((i / steps) * WIDTH * 10) / 10;
  const last = (row) => { const i = row.values.findLastIndex((value) => value !== null); return i < 0 ? null : i; };
  const unseen = holes(rows, steps);
  const outputs = [];
  const marks = [];
  const lines = rows.map((row, number) => {
    const output = el("span", { class: "use-now" });
    const mark = el("span", { class: "use-mark", hidden: true });
    outputs.push(output);
    marks.push(mark);
    return el("div", { class: "use-row", data: { size: number === 0 && row.tall ? "tall" : "low" } },
      el("span", { class: "use-label" }, el("span", { class: "use-title" }, row.title), row.about && el("span", { class: "quiet use-about" }, row.about)),
      el("span", { class: "use-plot", data: { place: "plot" } }, plot(row, { x, height: row.tall ? 96 : 32, unseen }), mark),
      output);
  });
  const { step, found } = ticks(zone, from, to, 6);
  const axis = el("div", { class: "use-axis", aria: { hidden: "true" } }, found.map((at) => {
    const tick = el("span", { class: "use-tick" }, step >= DAY || at === startOfDay(zone, at) ? dayWords(zone, at) : clock(zone, at));
    const place = ((at - from) / (to - from)) * 100;
    if (place > 94) tick.dataset.edge = "end";
    if (place < 3) tick.dataset.edge = "start";
    tick.style.left = `${place}%`;
    return tick;
  }));
  const oneDay = startOfDay(zone, from) === startOfDay(zone, to);
  const moment = (ms) => (oneDay ? clock(zone, ms) : momentWords(zone, ms).replace(/^\S+ /, ""));
  const reading = el("span", { class: "use-reading quiet" });
  const spoken = el("span", { class: "visually-hidden", role: "status" });
  const chart = el("div", { class: "use-chart", tabindex: "0", role: "group", aria: { label: `${label} Arrow keys read single moments.`, roledescription: "chart" } },
    lines, el("div", { class: "use-row use-foot" }, el("span", {}), axis, reading), spoken);

  let at = null;
  const show = (i, { aloud = false } = {}) => {
    at = i;
    rows.forEach((row, number) => {
      const shown = i ?? last(row);
      const value = shown === null ? null : row.values[shown];
      outputs[number].textContent = value === null ? "–" : row.words(value);
      marks[number].hidden = i === null;
      if (i !== null) marks[number].style.left = middle(i, steps);
    });
    reading.textContent = i === null ? `at ${moment(to)}` : moment(from + i * stepMs);
    if (aloud) spoken.textContent = `${momentWords(zone, from + i * stepMs)}: ${rows.map((row) => `${row.title} ${row.values[i] === null ? "not measured" : row.words(row.values[i])}`).join(", ")}`;
  };
  chart.addEventListener("pointermove", (event) => {
    const box = chart.querySelector('[data-place="plot"]').getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    show(share >= 0 && share <= 1 ? Math.min(steps - 1, Math.floor(share * steps)) : null);
  });
  chart.addEventListener("pointerleave", () => show(null));
  chart.addEventListener("blur", () => show(null));
  chart.addEventListener("keydown", (event) => {
    const far = Math.max(1, Math.round(steps / 12));
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -far, PageDown: far, Home: -steps, End: steps }[event.key];
    if (event.key === "Escape") show(null);
    if (by === undefined) return;
    event.preventDefault();
    show(Math.min(steps - 1, Math.max(0, (at ?? steps) + by)), { aloud: true });
  });
  show(null);
  return chart;
}
