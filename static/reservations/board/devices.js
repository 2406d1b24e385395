/** Which devices are wanted: named ones, and so many of a kind. */

import { el, icon } from "../../portal/dom.js";
import { _ } from "../../portal/words.js";
import { healthOf, kindWords } from "../states.js";
import { reasonWords } from "./refusal.js";

/** Return the section of the form that lists the devices. */
export function drawDevices(booking) {
  const { board, verdict } = booking;
  const verdicts = new Map((verdict?.refusals ?? []).map((one) => [one.resource ?? `wish:${one.wish}`, one]));
  const item = (key, label, quiet, onremove, index, health) => {
    const refusal = verdicts.get(key) ?? verdicts.get(`wish:${index}`);
    return el("li", { class: "chosen" },
      health ? el("span", { class: "dot", data: { health: health[0] }, title: health[1] }) : el("span", { class: "times" }, icon("search")),
      el("span", { class: "chosen-name" }, label, quiet && el("span", { class: "quiet" }, ` ${quiet}`),
        refusal && el("span", { class: "errors chosen-why" }, reasonWords(refusal, { zone: board.state.zone, nameOf: (id) => board.nameOf(id) }))),
      verdict?.would_book && el("span", { class: "free", title: _("Free for the whole window") }, icon("check"), el("span", { class: "visually-hidden" }, _("free"))),
      el("button", { type: "button", class: "icon-button", aria: { label: _("Remove {device}", { device: label }) }, onclick: onremove }, icon("close")));
  };
  const remove = (list, key) => () => { booking[list] = booking[list].filter((one) => one !== key); booking.drawParts(); booking.changed(); booking.parts.devices.querySelector("button")?.focus(); };
  const items = [
    ...booking.rows.map((id, index) => { const row = board.rowOf(id); return item(id, board.nameOf(id), row?.model, remove("rows", id), index, row ? healthOf(row) : ["unknown", ""]); }),
    ...booking.wishes.map((wish, index) => item(wish, `${wish.count} × ${wish.model || kindWords(wish.kind, wish.count)}`, wish.site ? _("at {site}", { site: board.siteName(wish.site) }) : _("anywhere"), remove("wishes", wish), booking.rows.length + index)),
  ];
  return [
    el("div", { class: "label" }, _("Devices")),
    items.length ? el("ul", { class: "chosen-list" }, items)
      : el("p", { class: "help" }, board.state.view === "agenda" ? _("None yet. Say what you need below.") : _("None yet. Click rows on the board, or say what you need below.")),
    drawWish(booking),
  ];
}

/** “2 × L40S anywhere”: a class of device instead of a named one. */
function drawWish(booking) {
  const { board } = booking;
  const options = new Map();
  for (const row of board.allRows()) {
    if (row.parent && !row.depth) continue;
    options.set(`${row.kind}|`, kindWords(row.kind, 1));
    if (row.model) options.set(`${row.kind}|${row.model}`, row.model);
  }
  if (!options.size) return "";
  const sorted = [...options].sort((a, b) => a[0].localeCompare(b[0]));
  const number = el("input", { type: "number", min: "1", max: "64", value: "1", aria: { label: _("How many") }, class: "narrow" });
  const what = el("select", { aria: { label: _("Of what") } }, sorted.map(([value, words]) => el("option", { value }, value.endsWith("|") ? _("any {kind}", { kind: words }) : words)));
  const where = el("select", { aria: { label: _("Where") } }, el("option", { value: "" }, _("anywhere")),
    board.sites.map((site) => el("option", { value: site.slug }, site.name)));
  const add = () => {
    const [kind, model] = what.value.split("|");
    booking.wishes.push({ kind, model, count: Math.max(1, Number(number.value) || 1), site: where.value });
    booking.drawParts();
    booking.changed();
  };
  return el("details", { class: "wish", open: !booking.rows.length && !booking.wishes.length }, el("summary", {}, _("Add by kind")),
    el("div", { class: "wish-line" }, number, el("span", { aria: { hidden: "true" } }, "×"), what, where, el("button", { type: "button", class: "button", onclick: add }, _("Add"))));
}
