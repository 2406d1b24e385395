/** Changing when: as far as the server says that it goes, with buttons for what people mostly want. */

import { el } from "../portal/dom.js";
import { clock, dayWords, fromInput, HOUR, MINUTE, momentWords, toInput, utcWords, windowWords, zoneWords } from "../portal/time.js";
import { _ } from "../portal/words.js";

const STEPS = [30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR];
const step = (ms) => (ms < HOUR ? _("+ {count} min", { count: ms / MINUTE }) : _("+ {count} h", { count: ms / HOUR }));
const until = (zone, from, ms) => (dayWords(zone, from) === dayWords(zone, ms) ? clock(zone, ms) : momentWords(zone, ms));

function field(id, words, input) { return el("div", { class: "field" }, el("label", { for: id }, words), input); }

function when(id, zone, ms) { return el("input", { type: "datetime-local", id, step: "300", value: toInput(zone, ms) }); }

/** Return why it goes no further, with the moment. */
export function furthest(reservation, zone) {
  if (!reservation.latest_end) return _("It cannot be extended: the next lease follows, or it is as long as is allowed.");
  const values = { time: momentWords(zone, Date.parse(reservation.latest_end)), zone: zoneWords(zone) };
  return reservation.latest_end_because === "taken"
    ? _("At most until {time} {zone}: then others have a device of it.", values)
    : _("At most until {time} {zone}: longer is not allowed here.", values);
}

/** Return the form that makes it longer or shorter; `send` gets the new end. */
export function drawEnd(verb, reservation, { zone, now, send, leave }) {
  const to = Date.parse(reservation.ends_at);
  const from = Math.max(Date.parse(reservation.starts_at), now);
  const latest = reservation.latest_end ? Date.parse(reservation.latest_end) : null;
  const extends_ = verb === "extend";
  const input = when("new-end", zone, extends_ ? Math.min(to + HOUR, latest ?? Infinity) : Math.max(to - HOUR, from + 5 * MINUTE));
  const choices = extends_ ? STEPS.filter((ms) => !latest || to + ms <= latest).map((ms) => el("button", { type: "button", class: "button", title: utcWords(to + ms), onclick: () => send(to + ms) }, `${step(ms)}, ${_("to {time}", { time: until(zone, to, to + ms) })}`)) : [];
  if (extends_ && latest > to) choices.push(el("button", { type: "button", class: "button", title: utcWords(latest), onclick: () => send(latest) }, _("As long as possible, to {time}", { time: until(zone, to, latest) })));
  const form = el("form", { class: "stack end-form", onsubmit: (event) => { event.preventDefault(); const ms = fromInput(zone, input.value); if (!Number.isNaN(ms)) send(ms); } },
    choices.length > 0 && el("div", { class: "actions" }, choices),
    field("new-end", _("New end, {zone}", { zone: zoneWords(zone) }), input),
    el("p", { class: "help" }, extends_ ? furthest(reservation, zone) : _("The rest becomes free for others. Access is cut at the new end.")),
    el("div", { class: "actions" }, el("button", { type: "submit", class: "button primary" }, extends_ ? _("Extend") : _("Shorten")), el("button", { type: "button", class: "button", onclick: leave }, _("Leave it as it is"))));
  return { form, input };
}

/** Return the form that moves a reservation of which nothing has begun; its length stays. */
export function drawMove(reservation, { zone, send, leave }) {
  const from = Date.parse(reservation.starts_at);
  const length = Date.parse(reservation.ends_at) - from;
  const input = when("new-start", zone, from);
  const shown = el("p", { class: "help", role: "status" });
  const show = () => { const ms = fromInput(zone, input.value); shown.textContent = Number.isNaN(ms) ? "" : _("Then it is {window}, as long as now. It is checked like a new booking.", { window: windowWords(zone, ms, ms + length) }); };
  input.addEventListener("input", show);
  show();
  const form = el("form", { class: "stack end-form", onsubmit: (event) => { event.preventDefault(); const ms = fromInput(zone, input.value); if (!Number.isNaN(ms)) send(ms, ms + length); } },
    field("new-start", _("New start, {zone}", { zone: zoneWords(zone) }), input), shown,
    el("div", { class: "actions" }, el("button", { type: "submit", class: "button primary" }, _("Move")), el("button", { type: "button", class: "button", onclick: leave }, _("Leave it as it is"))));
  return { form, input };
}
