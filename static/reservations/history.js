/** What happened, in plain words: who did what to which device, when and why; the newest first. */

import { el } from "../portal/dom.js";
import { momentWords, utcWords } from "../portal/time.js";
import { _, ngettext } from "../portal/words.js";

const DONE = () => ({
  REQUESTED: _("Asked for"), SCHEDULED: _("Approved"), PROVISIONING: _("Preparation began"), ACTIVE: _("Handed over"), RELEASING: _("Taken back, cleaning began"),
  RELEASED: _("Proven clean"), RELEASE_FAILED: _("Could not be proven clean"), CANCELLED: _("Cancelled"), REJECTED: _("Rejected"),
});

/** Reasons that say no more than the move itself. */
const SAID = new Set(["Asked", "Booked", "Approved", "Rejected", "Making the device ready", "Access is open", "The lease is over"]);

function wordsOf(event) {
  if (event.to === "RELEASING" && event.source === "RELEASE_FAILED") return _("Cleaning tried again");
  if (event.to === event.source) return _("Changed");
  if (event.to === "SCHEDULED" && !event.source) return _("Booked");
  return DONE()[event.to] ?? event.to;
}

/** Join what happened to several devices at once: they are one line. */
function joined(leases) {
  const lines = new Map();
  for (const lease of leases) {
    for (const event of lease.events ?? []) {
      const key = [event.at.slice(0, 16), event.source, event.to, event.actor, event.reason].join("\n");
      const line = lines.get(key);
      if (line) line.devices.push(lease.resource_name);
      else lines.set(key, { event, devices: [lease.resource_name] });
    }
  }
  return [...lines.values()].sort((a, b) => Date.parse(b.event.at) - Date.parse(a.event.at));
}

export function drawHistory(reservation, zone) {
  const lines = joined(reservation.leases);
  if (!lines.length) return "";
  const several = reservation.leases.length > 1;
  return el("section", { class: "block", aria: { label: _("What happened") } }, el("div", { class: "block-body" },
    el("details", { id: "history" }, el("summary", {}, _("History")),
      el("ol", { class: "history" }, lines.map(({ event, devices }) => {
        const ms = Date.parse(event.at);
        const who = event.actor ? _("by {name}", { name: event.actor }) : _("by the portal");
        const which = several ? (devices.length === reservation.leases.length ? ngettext("the device", "all {count} devices", devices.length) : devices.join(", ")) : "";
        return el("li", {}, el("time", { datetime: event.at, title: utcWords(ms) }, momentWords(zone, ms)),
          el("span", {}, wordsOf(event), which && `: ${which}`, el("span", { class: "quiet" }, ` ${who}`), event.reason && !SAID.has(event.reason) && el("span", { class: "history-why" }, event.reason)));
      })))));
}
