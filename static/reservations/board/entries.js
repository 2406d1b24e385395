/** One thing on a row: a lease, a maintenance window, a hold, a wish. */

import { el } from "../../portal/dom.js";
import { clock, utcWords, windowWords } from "../../portal/time.js";
import { _ } from "../../portal/words.js";
import { STATE_WORDS } from "../states.js";

/** What holds a device without being a lease. */
const OTHERS = { maintenance: _("maintenance"), hold: _("held") };

export function patternOf(entry) {
  return entry.type in OTHERS ? entry.type : entry.state;
}

export function stateWord(entry) {
  return OTHERS[entry.type] ?? STATE_WORDS[entry.state] ?? entry.state;
}

export function entryTitle(entry) {
  if (entry.type === "maintenance") return entry.title || _("Maintenance");
  if (entry.type === "hold") return entry.mine ? _("Held for you") : _("Held");
  return entry.title || entry.who || _("Taken");
}

/** Return what an entry is, in one line, for people who do not see it. */
export function entryWords(entry, zone) {
  const who = entry.mine ? _("yours") : entry.who ? _("by {who}", { who: entry.who }) : "";
  const until = entry.type === "hold" && entry.expires_at ? _("for the time being, until {time}", { time: clock(zone, Date.parse(entry.expires_at)) }) : "";
  return [entryTitle(entry), stateWord(entry), who, windowWords(zone, entry.starts_at, entry.ends_at), until].filter(Boolean).join(", ");
}

/** A change of window is the holder's own, and only while nothing has begun. */
export const canMove = (entry, now) => entry.mine && entry.can_change && !entry.via && entry.starts_at > now && ["requested", "scheduled"].includes(entry.state);
export const canStretch = (entry, now) => entry.mine && entry.can_change && !entry.via && entry.ends_at > now && ["requested", "scheduled", "provisioning", "active"].includes(entry.state);

function place(node, left, right) {
  node.style.left = `${left}px`;
  node.style.width = `${Math.max(right - left, 2)}px`;
}

/** Return the element of an entry: the window in the middle, preparation and clean-up as lighter ends. */
export function drawEntry(entry, scale, { now, unsettled = false }) {
  const left = Math.max(scale.x(entry.occupied_from), -4);
  const right = Math.min(scale.x(entry.occupied_to), scale.width + 4);
  if (right <= left) return null;
  const start = Math.min(Math.max(scale.x(entry.starts_at), left), right);
  const end = Math.max(Math.min(scale.x(entry.ends_at), right), start);
  const wide = end - start;
  const words = entryWords(entry, scale.zone);
  const title = entryTitle(entry);
  const core = el("span", { class: "entry-core" },
    wide > 34 && !entry.via && el("span", { class: `entry-title${wide < 72 ? " short" : ""}` }, title, wide > 80 + 7 * title.length && el("span", { class: "entry-state" }, stateWord(entry))));
  core.style.left = `${start - left}px`;
  core.style.width = `${Math.max(wide - 1, 2)}px`;
  const node = el("div", {
    class: `entry${unsettled ? " unsettled" : ""}`, role: "gridcell", tabindex: "-1",
    data: { entry: entry.id, state: patternOf(entry), mine: entry.mine ? "1" : undefined, via: entry.via ? "1" : undefined },
    aria: { label: words },
    title: `${words} (${utcWords(entry.starts_at)} – ${utcWords(entry.ends_at)})${entry.via ? ` ${_("Taken along with a part or the whole.")}` : ""}`,
  }, core);
  place(node, left, right);
  if (start > left + 1) node.append(edge("before", 0, start - left, _("Preparation from {time}", { time: clock(scale.zone, entry.occupied_from) })));
  if (right > end + 1) node.append(edge("after", end - left, right - end, _("Clean-up until {time}", { time: clock(scale.zone, entry.occupied_to) })));
  if (canMove(entry, now)) node.dataset.movable = "1";
  if (canStretch(entry, now) && wide > 12) node.append(grip("end", end - left - 7));
  if (canMove(entry, now) && wide > 24) node.append(grip("start", start - left));
  return node;
}

function grip(side, left) {
  const node = el("span", { class: "grip", data: { grip: side } });
  node.style.left = `${left}px`;
  return node;
}

function edge(side, left, width, title) {
  const node = el("span", { class: `entry-edge ${side}`, title });
  node.style.left = `${left}px`;
  node.style.width = `${width}px`;
  return node;
}

/** Return a frame on a row: a selection, a ghost that waits for the server, or the cursor. */
export function drawFrame(kind, from, to, scale, label = "") {
  const left = Math.max(scale.x(from), 0);
  const right = Math.min(scale.x(to), scale.width);
  if (right <= left) return null;
  const node = el("div", { class: `frame ${kind}`, aria: { hidden: "true" } }, label && right - left > 60 && el("span", { class: "entry-title" }, label));
  place(node, left, right);
  return node;
}
