/** From when to when. */

import { el } from "../../portal/dom.js";
import { durationWords, fromInput, HOUR, toInput, zoneWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";

const LENGTHS = [1, 2, 4, 8, 24];

/** Return the section of the form that chooses the window. */
export function drawWindow(booking) {
  const { zone } = booking.board.state;
  const spanWords = () => (booking.to > booking.from ? durationWords(booking.to - booking.from) : _("ends before it starts"));
  const change = () => {
    const from = fromInput(zone, start.value);
    const to = fromInput(zone, end.value);
    if (Number.isNaN(from) || Number.isNaN(to)) return;
    Object.assign(booking, { from, to });
    span.textContent = spanWords();
    booking.changed();
  };
  const start = el("input", { type: "datetime-local", id: "booking-start", step: "300", value: toInput(zone, booking.from), onchange: change });
  const end = el("input", { type: "datetime-local", id: "booking-end", step: "300", value: toInput(zone, booking.to), onchange: change });
  const span = el("span", { class: "quiet" }, spanWords());
  const choose = (hours) => { booking.to = booking.from + hours * HOUR; booking.drawPart("window"); booking.changed(); };
  return [
    el("div", { class: "pair" },
      el("div", { class: "field" }, el("label", { for: "booking-start" }, _("From")), start),
      el("div", { class: "field" }, el("label", { for: "booking-end" }, _("To")), end)),
    el("div", { class: "lengths", role: "group", aria: { label: _("Length") } },
      LENGTHS.map((hours) => el("button", { type: "button", class: "chip", aria: { pressed: String(booking.to - booking.from === hours * HOUR) }, onclick: () => choose(hours) }, _("{hours} h", { hours }))), span),
    el("p", { class: "help" }, _("Times in {zone}.", { zone: zoneWords(zone) })),
  ];
}
