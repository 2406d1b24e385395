/** One device of a reservation: its line of life, what happens now, access, proof, history. */

import { copyButton, el } from "../portal/dom.js";
import { clock, dayWords, momentWords, utcWords, windowWords, zoneWords } from "../portal/time.js";
import { drawFiles } from "./files.js";
import { drawProof } from "./proof.js";
import { STATE_WORDS } from "./states.js";
import { drawWarnings } from "./warnings.js";

const LIFE = ["asked", "approved", "preparing", "active", "cleaning", "clean"];
const STATION = { REQUESTED: 0, SCHEDULED: 1, PROVISIONING: 2, ACTIVE: 3, RELEASING: 4, RELEASE_FAILED: 4, RELEASED: 5 };
const REACHED = { REQUESTED: "asked", SCHEDULED: "approved", PROVISIONING: "preparing", ACTIVE: "active", RELEASING: "cleaning", RELEASED: "clean" };

function when(zone, ms) {
  return el("time", { datetime: new Date(ms).toISOString(), title: utcWords(ms) }, momentWords(zone, ms));
}

/** Return when each station was reached, and what is foreseen for those ahead. */
function times(lease) {
  const reached = {};
  for (const event of lease.events ?? []) {
    const station = REACHED[event.to];
    if (station && !reached[station]) reached[station] = Date.parse(event.at);
  }
  return reached;
}

function drawLife(lease, zone, now) {
  const reached = times(lease);
  const ended = ["CANCELLED", "REJECTED"].includes(lease.status);
  const last = Math.max(...LIFE.map((name, i) => (reached[name] ? i : -1)));
  const at = ended ? last : STATION[lease.status] ?? 0;
  const foreseen = { active: Date.parse(lease.starts_at), cleaning: Date.parse(lease.ends_at) };
  return el("ol", { class: "life", aria: { label: "Line of life" } }, LIFE.map((name, i) => {
    const state = ended && i > at ? "never" : i < at || lease.status === "RELEASED" ? "done" : i === at ? (ended ? "done" : lease.status === "RELEASE_FAILED" ? "blocked" : "now") : "ahead";
    const skipped = state === "done" && !reached[name] && !foreseen[name];
    const moment = reached[name] ?? (!ended && i > at ? foreseen[name] : null);
    const today = moment && dayWords(zone, moment) === dayWords(zone, now);
    const word = name === "cleaning" && state === "blocked" ? "blocked" : name;
    return el("li", { class: "station", data: { station: skipped ? "skipped" : state }, aria: { current: state === "now" || state === "blocked" ? "step" : undefined } },
      el("span", { class: "station-mark", aria: { hidden: "true" } }),
      el("span", { class: "station-name" }, word),
      el("span", { class: "station-time" }, moment ? el("time", { datetime: new Date(moment).toISOString(), title: `${momentWords(zone, moment)} ${zoneWords(zone)}\n${utcWords(moment)}` }, today ? clock(zone, moment) : momentWords(zone, moment)) : "",
        moment && !reached[name] ? el("span", { class: "quiet" }, " planned") : ""));
  }));
}

function drawEndpoint(endpoint) {
  const address = endpoint.command || (["http", "https"].includes(endpoint.protocol) ? `${endpoint.protocol}://${endpoint.host}:${endpoint.port}/` : `${endpoint.host}:${endpoint.port}`);
  const line = (label, text) => el("div", { class: "access-line" }, el("span", { class: "quiet" }, label), el("code", { class: "break" }, text), copyButton(text, `${endpoint.label} ${label}`));
  return el("div", { class: "endpoint" }, el("h4", {}, endpoint.label),
    line(endpoint.command ? "command" : "address", address),
    endpoint.username && !endpoint.command && line("user", endpoint.username),
    endpoint.secret && line("password", endpoint.secret));
}

/** Return a link that saves the file; its content never leaves the page. */
function drawFile(file) {
  const url = URL.createObjectURL(new Blob([file.content], { type: "application/octet-stream" }));
  return el("a", { class: "button", href: url, download: file.name }, `Save ${file.name}`);
}

function drawAccess(lease, zone, now) {
  if (lease.access) {
    return el("div", { class: "access" }, el("h3", {}, "Access"),
      el("p", {}, lease.access.instructions), lease.access.endpoints.map(drawEndpoint),
      lease.access.files?.length ? el("p", { class: "access-files" }, lease.access.files.map(drawFile)) : "");
  }
  if (["REQUESTED", "SCHEDULED", "PROVISIONING"].includes(lease.status)) {
    const ms = Date.parse(lease.starts_at);
    return el("p", { class: "access-later" }, ms > now ? `Access opens at ${clock(zone, ms)} ${zoneWords(zone)} on ${dayWords(zone, ms)}. It appears here.` : "Access opens as soon as the device is ready. It appears here.");
  }
  return "";
}

/** Return what happens now; where a time is part of it, in the viewer's zone. */
function stepWords(lease, zone, now) {
  const at = (text) => `${momentWords(zone, Date.parse(text))} ${zoneWords(zone)}`;
  const begins = lease.preparation_begins_at;
  if (lease.status === "SCHEDULED" && begins && Date.parse(begins) > now) return `Preparation begins ${at(begins)}.`;
  if (lease.status === "PROVISIONING" && lease.prepared_at && Date.parse(lease.starts_at) > now) return "The device is ready.";
  if (lease.status === "ACTIVE") return `Access is open until ${at(lease.ends_at)}.`;
  return lease.step;
}

const HISTORY = {
  REQUESTED: "Asked for", SCHEDULED: "Approved", PROVISIONING: "Preparation began", ACTIVE: "Handed over", RELEASING: "Taken back, cleaning began",
  RELEASED: "Proven clean", RELEASE_FAILED: "Could not be proven clean", CANCELLED: "Cancelled", REJECTED: "Rejected",
};

/** Reasons that say no more than the move itself. */
const SAID = new Set(["Asked", "Booked", "Approved", "Rejected"]);

function drawHistory(lease, zone) {
  const events = [...(lease.events ?? [])].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  if (!events.length) return "";
  return el("details", { id: `history-${lease.id}` }, el("summary", {}, "History"),
    el("ol", { class: "history" }, events.map((event) => el("li", {},
      when(zone, Date.parse(event.at)),
      el("span", {}, event.to === "RELEASING" && event.source === "RELEASE_FAILED" ? "Cleaning tried again" : event.to === event.source ? "Changed" : HISTORY[event.to] ?? event.to,
        el("span", { class: "quiet" }, event.actor ? ` by ${event.actor}` : " by the portal"), event.reason && !SAID.has(event.reason) && `: ${event.reason}`)))));
}

/** Operators act on one device: approve, reject, try again, vouch. A reason is part of the record. */
function drawOperator(lease, act) {
  const { can = {} } = lease;
  if (!["approve", "reject", "retry", "vouch"].some((verb) => can[verb])) return "";
  const id = `reason-${lease.id}`;
  const reason = el("input", { id, type: "text", maxlength: "200", autocomplete: "off" });
  const button = (verb, words, kind = "") => can[verb] && el("button", { type: "button", class: `button ${kind}`, onclick: () => {
    if (["reject", "vouch"].includes(verb) && !reason.value.trim()) { reason.setAttribute("aria-invalid", "true"); reason.focus(); return; }
    act(verb, verb === "retry" ? {} : { reason: reason.value.trim() });
  } }, words);
  return el("div", { class: "operator" }, el("h3", {}, "For operators"),
    (can.approve || can.reject || can.vouch) && el("div", { class: "field" }, el("label", { for: id }, "Reason, for the record"), reason),
    el("div", { class: "actions" }, button("approve", "Approve", "primary"), button("reject", "Reject", "danger"), button("retry", "Clean it again"), button("vouch", "I checked: it is clean")));
}

export function drawLease(lease, { zone, now, project, use = "", act, reload }) {
  const foreign = lease.site_time_zone && lease.site_time_zone !== zone;
  const parameters = Object.entries(lease.parameters ?? {});
  return el("section", { class: "block lease", aria: { label: `${lease.site_name} · ${lease.resource_name}` } },
    el("div", { class: "block-head" }, el("h2", {}, el("a", { class: "plain-link", href: `/resources/${lease.resource}/` }, `${lease.site_name} · ${lease.resource_name}`)),
      el("span", { class: "state" }, el("span", { class: "swatch", data: { state: lease.status.toLowerCase(), mine: "1" }, aria: { hidden: "true" } }), STATE_WORDS[lease.status.toLowerCase()] ?? lease.status),
      foreign && el("span", { class: "quiet end" }, `${windowWords(lease.site_time_zone, Date.parse(lease.starts_at), Date.parse(lease.ends_at))} ${zoneWords(lease.site_time_zone)}`)),
    el("div", { class: "block-body stack" },
      drawLife(lease, zone, now),
      lease.trouble ? el("p", { class: "note bad" }, lease.trouble) : lease.step && el("p", { class: "step" }, stepWords(lease, zone, now)),
      drawWarnings(lease.warnings ?? []),
      drawFiles(lease, { zone, project, done: reload }),
      drawAccess(lease, zone, now),
      use,
      drawOperator(lease, act),
      lease.proof && drawProof(lease.proof, zone),
      parameters.length > 0 && el("details", { id: `settings-${lease.id}` }, el("summary", {}, "Settings"), el("dl", { class: "facts" }, parameters.map(([name, value]) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))]))),
      drawHistory(lease, zone)));
}
