/** The sections of the booking form, in the order in which they stand. A new one is a module and a line in this list. */

import { el } from "../../portal/dom.js";
import { _, ngettext } from "../../portal/words.js";
import { drawKeyless, isReachedBySsh } from "../keyless.js";
import { drawKeep } from "../keep.js";
import { drawWait, exactWish } from "../wait.js";
import { drawWarnings } from "../warnings.js";
import { drawDevices } from "./devices.js";
import { drawAlternatives, drawRefusal } from "./refusal.js";
import { drawRepeat } from "./repeat.js";
import { drawWindow } from "./window.js";

/*
 * A section draws what stands in its place: `draw(booking)` returns nodes, and is called again whenever the
 * wish changed. With `still: true` it is drawn once, because it holds what somebody is typing. `ask(booking)`
 * may return fields that go into the request.
 */
export const SECTIONS = [
  { name: "devices", draw: drawDevices },
  { name: "window", draw: drawWindow },
  { name: "charge", draw: drawCharge, still: true },
  { name: "approval", draw: drawApproval },
  { name: "links", draw: drawLinks, ask: (booking) => booking.connected && booking.number > 1 && { connected: true } },
  { name: "settings", draw: (booking) => booking.drawSettings() },
  { name: "keyless", draw: drawKeys },
  { name: "repeat", draw: drawRepeat, still: true },
  { name: "keep", draw: drawKept, still: true },
  { name: "warnings", draw: drawHeed },
  { name: "answer", draw: drawAnswer },
  { name: "held", draw: (booking) => booking.hold.draw() },
  { name: "submit", draw: drawSubmit },
];

/** To which project it goes, and what it is for. */
function drawCharge(booking) {
  const { projects = [] } = booking.board.config;
  booking.project = el("select", { id: "booking-project", onchange: () => booking.changed() }, projects.map((project) => el("option", { value: project.slug, selected: project.slug === booking.given?.project }, project.name)));
  return [
    projects.length
      ? el("div", { class: "field" }, el("label", { for: "booking-project" }, _("Project")), booking.project)
      : el("p", { class: "note warn" }, _("You are in no project yet. The lead of one can add you; then you can book.")),
    el("div", { class: "field" }, el("label", { for: "booking-purpose" }, _("Purpose")),
      el("input", { id: "booking-purpose", type: "text", maxlength: "200", autocomplete: "off", value: booking.purpose, placeholder: _("What it is for, in a few words"), oninput: (event) => { booking.purpose = event.target.value; } })),
  ];
}

/** Which sites look at the booking before it counts. */
function drawApproval({ board, rows, wishes }) {
  const sites = [...new Set([...rows.map((id) => board.rowOf(id)?.site), ...wishes.map((wish) => wish.site)].filter(Boolean))];
  return sites.map((slug) => board.asksFirst(slug)).filter(Boolean).map((words) => el("p", { class: "help" }, words));
}

function drawLinks(booking) {
  if (booking.number < 2) return [];
  const box = el("input", { id: "booking-connected", type: "checkbox", onchange: (event) => { booking.connected = event.target.checked; booking.changed(); } });
  box.checked = booking.connected;
  return [el("div", { class: "field" }, el("label", { class: "check", for: "booking-connected" }, box, _("They have to be wired to each other")))];
}

function drawKeys({ board, rows, wishes }) {
  const kinds = [...rows.map((id) => board.rowOf(id)?.kind ?? ""), ...wishes.map((wish) => wish.kind)];
  return board.config.has_ssh_key === false && kinds.some(isReachedBySsh) ? [drawKeyless()] : [];
}

/** What the booking would do to things of the holder's own, said before it is made. */
function drawHeed(booking) {
  booking.parts.warnings.setAttribute("role", "status");
  return drawWarnings(booking.verdict?.warnings ?? []);
}

function drawAnswer(booking) {
  const { board, refusal, found, verdict } = booking;
  if (booking.repeat?.active) return [];
  const options = { zone: board.state.zone, nameOf: (id) => board.nameOf(id), onTake: (window) => booking.take(window) };
  const isTaken = !booking.found && (refusal?.status === 409 || verdict?.refusals?.length) && !(refusal?.more ?? verdict)?.never;
  const wait = isTaken ? [drawWait(() => exactWish(booking.ask()), options)] : [];
  if (refusal) return [drawRefusal(refusal, { ...options, asked: booking.asked }), ...wait];
  if (found) return [drawAlternatives(found.slots ?? [], { ...options, never: found.never })];
  return verdict?.alternatives?.length ? [drawAlternatives(verdict.alternatives, options), ...wait] : wait;
}

function drawSubmit(booking) {
  booking.repeat?.wishChanged();
  if (booking.repeat?.active) return [];
  const { number, sending, board } = booking;
  const words = sending ? _("Booking…") : number ? ngettext("Book {count} device", "Book {count} devices", number) : _("Book");
  return [
    el("button", { type: "submit", class: "button primary", disabled: sending || !number || !board.config.projects?.length }, words),
    el("button", { type: "button", class: "button", disabled: !number || sending, title: _("The earliest window of this length within two weeks"), onclick: () => booking.findEarliest() }, _("Find the earliest")),
  ];
}

/** Keep the wish without its time. */
function drawKept(booking) {
  return [drawKeep({ id: "booking-keep", ask: () => {
    const { starts_at, ends_at, ...wish } = booking.ask();
    return { path: "templates/", duration_s: Math.round((booking.to - booking.from) / 1000), ...wish };
  } })];
}
