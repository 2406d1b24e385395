/** The line of life: of one device, and of a reservation as a whole. */

import { el } from "../portal/dom.js";
import { clock, dayWords, momentWords, utcWords, zoneWords } from "../portal/time.js";
import { _ } from "../portal/words.js";

const LIFE = ["asked", "approved", "preparing", "active", "cleaning", "clean"];
const STATION = { REQUESTED: 0, SCHEDULED: 1, PROVISIONING: 2, ACTIVE: 3, RELEASING: 4, RELEASE_FAILED: 4, RELEASED: 5 };
const REACHED = { REQUESTED: "asked", SCHEDULED: "approved", PROVISIONING: "preparing", ACTIVE: "active", RELEASING: "cleaning", RELEASED: "clean" };
const WORDS = () => ({ asked: _("asked"), approved: _("approved"), preparing: _("preparing"), active: _("active"), cleaning: _("cleaning"), clean: _("clean"), blocked: _("blocked") });
const ENDED = ["CANCELLED", "REJECTED"];

/** Return when each station was reached first. */
function times(events) {
  const reached = {};
  for (const event of events) {
    const station = event.to === event.source ? null : REACHED[event.to];
    const at = Date.parse(event.at);
    if (station && !(reached[station] <= at)) reached[station] = at;
  }
  return reached;
}

function draw({ reached, at, isOver, isBlocked, isClean, foreseen, label, zone, now }) {
  const words = WORDS();
  return el("ol", { class: "life", aria: { label } }, LIFE.map((name, i) => {
    const state = isOver && i > at ? "never" : i < at || isClean ? "done" : i === at ? (isOver ? "done" : isBlocked ? "blocked" : "now") : "ahead";
    const skipped = state === "done" && !reached[name] && !foreseen[name];
    const moment = reached[name] ?? (!isOver && i > at ? foreseen[name] : null);
    const today = moment && dayWords(zone, moment) === dayWords(zone, now);
    return el("li", { class: "station", data: { station: skipped ? "skipped" : state }, aria: { current: state === "now" || state === "blocked" ? "step" : undefined } },
      el("span", { class: "station-mark", aria: { hidden: "true" } }),
      el("span", { class: "station-name" }, words[name === "cleaning" && state === "blocked" ? "blocked" : name]),
      el("span", { class: "station-time" }, moment ? el("time", { datetime: new Date(moment).toISOString(), title: `${momentWords(zone, moment)} ${zoneWords(zone)}\n${utcWords(moment)}` }, today ? clock(zone, moment) : momentWords(zone, moment)) : "",
        moment && !reached[name] ? el("span", { class: "quiet" }, ` ${_("planned")}`) : ""));
  }));
}

export function drawLife(lease, zone, now) {
  const reached = times(lease.events ?? []);
  const isOver = ENDED.includes(lease.status);
  const last = Math.max(...LIFE.map((name, i) => (reached[name] ? i : -1)));
  return draw({
    reached, isOver, zone, now, label: _("Line of life"),
    at: isOver ? last : STATION[lease.status] ?? 0,
    isBlocked: lease.status === "RELEASE_FAILED", isClean: lease.status === "RELEASED",
    foreseen: { preparing: Date.parse(lease.preparation_begins_at) || null, active: Date.parse(lease.starts_at), cleaning: Date.parse(lease.ends_at) },
  });
}

/** Return the line of all devices together: a station is reached when the last of them has. */
export function drawWholeLife(reservation, zone, now) {
  const going = reservation.leases.filter((lease) => !ENDED.includes(lease.status));
  const leases = going.length ? going : reservation.leases;
  const isOver = !going.length;
  const lines = leases.map((lease) => times(lease.events ?? []));
  const at = isOver ? Math.max(...lines.map((line) => Math.max(...LIFE.map((name, i) => (line[name] ? i : -1))))) : Math.min(...leases.map((lease) => STATION[lease.status] ?? 0));
  const reached = {};
  for (const [i, name] of LIFE.entries()) {
    const known = lines.map((line) => line[name]).filter(Boolean);
    if (i <= at && known.length) reached[name] = Math.max(...known);
  }
  return draw({
    reached, at, isOver, zone, now, label: _("Line of life of the reservation"),
    isBlocked: leases.some((lease) => lease.status === "RELEASE_FAILED"), isClean: !isOver && leases.every((lease) => lease.status === "RELEASED"),
    foreseen: { active: Date.parse(reservation.starts_at), cleaning: Date.parse(reservation.ends_at) },
  });
}

/** Return how far the preparation is, by the time that it usually takes. */
export function drawProgress(lease, now) {
  if (lease.status !== "PROVISIONING" || lease.prepared_at) return "";
  const begun = (lease.events ?? []).filter((event) => event.to === "PROVISIONING").map((event) => Date.parse(event.at)).pop();
  const needs = Date.parse(lease.starts_at) - Date.parse(lease.preparation_begins_at);
  if (!begun || !(needs > 0)) return "";
  return el("progress", { class: "lease-progress", max: "100", value: String(Math.min(95, Math.round((100 * (now - begun)) / needs))), aria: { label: _("Preparation of {device}", { device: lease.resource_name }) } });
}
