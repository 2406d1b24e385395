/** One device of a reservation: where it is in its life, what happens now, access, proof. */

import { el } from "../portal/dom.js";
import { momentWords, windowWords, zoneWords } from "../portal/time.js";
import { _ } from "../portal/words.js";
import { drawAccess } from "./access.js";
import { drawFiles } from "./files.js";
import { drawLife, drawProgress } from "./life.js";
import { drawProof } from "./proof.js";
import { STATE_WORDS } from "./states.js";
import { drawWarnings } from "./warnings.js";

/** Return what happens now; where a time is part of it, in the viewer's zone. */
function stepWords(lease, zone, now) {
  const at = (text) => `${momentWords(zone, Date.parse(text))} ${zoneWords(zone)}`;
  const begins = lease.preparation_begins_at;
  if (lease.status === "SCHEDULED" && begins && Date.parse(begins) > now) return _("Preparation begins {time}.", { time: at(begins) });
  if (lease.status === "PROVISIONING" && lease.prepared_at && Date.parse(lease.starts_at) > now) return _("The device is ready; it waits for the start.");
  if (lease.status === "ACTIVE") return _("Access is open until {time}.", { time: at(lease.ends_at) });
  return lease.step;
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
  return el("div", { class: "operator" }, el("h3", {}, _("For operators")),
    (can.approve || can.reject || can.vouch) && el("div", { class: "field" }, el("label", { for: id }, _("Reason, for the record")), reason),
    el("div", { class: "actions" }, button("approve", _("Approve"), "primary"), button("reject", _("Reject"), "danger"), button("retry", _("Clean it again")), button("vouch", _("I checked: it is clean"))));
}

export function drawLease(lease, { zone, now, project, alone = true, use = "", act, reload }) {
  const foreign = lease.site_time_zone && lease.site_time_zone !== zone;
  const parameters = Object.entries(lease.parameters ?? {});
  return el("section", { class: "block lease", aria: { label: `${lease.site_name} · ${lease.resource_name}` } },
    el("div", { class: "block-head" }, el("h2", {}, el("a", { class: "plain-link", href: `/resources/${lease.resource}/` }, `${lease.site_name} · ${lease.resource_name}`)),
      el("span", { class: "state" }, el("span", { class: "swatch", data: { state: lease.status.toLowerCase(), mine: "1" }, aria: { hidden: "true" } }), STATE_WORDS[lease.status.toLowerCase()] ?? lease.status),
      foreign && el("span", { class: "quiet end" }, `${windowWords(lease.site_time_zone, Date.parse(lease.starts_at), Date.parse(lease.ends_at))} ${zoneWords(lease.site_time_zone)}`)),
    el("div", { class: "block-body stack" },
      !alone && drawLife(lease, zone, now),
      lease.trouble ? el("p", { class: "note bad" }, lease.trouble) : lease.step && el("p", { class: "step" }, stepWords(lease, zone, now)),
      drawProgress(lease, now),
      drawWarnings(lease.warnings ?? []),
      drawFiles(lease, { zone, project, done: reload }),
      drawAccess(lease, zone, now),
      use,
      drawOperator(lease, act),
      lease.proof && drawProof(lease.proof, zone),
      parameters.length > 0 && el("details", { id: `settings-${lease.id}` }, el("summary", {}, _("Settings")), el("dl", { class: "facts" }, parameters.map(([name, value]) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))])))));
}
