/** The way in: what to type, what to save, one device after the other and all of them together. */

import { copyButton, el } from "../portal/dom.js";
import { clock, dayWords, zoneWords } from "../portal/time.js";
import { _ } from "../portal/words.js";

function drawEndpoint(endpoint) {
  const address = endpoint.command || (["http", "https"].includes(endpoint.protocol) ? `${endpoint.protocol}://${endpoint.host}:${endpoint.port}/` : `${endpoint.host}:${endpoint.port}`);
  const line = (label, text) => el("div", { class: "access-line" }, el("span", { class: "quiet" }, label), el("code", { class: "break" }, text), copyButton(text, `${endpoint.label} ${label}`));
  return el("div", { class: "endpoint" }, el("h4", {}, endpoint.label),
    line(endpoint.command ? _("command") : _("address"), address),
    endpoint.username && !endpoint.command && line(_("user"), endpoint.username),
    endpoint.secret && line(_("password"), endpoint.secret));
}

/** Return a link that saves the file; its content never leaves the page. */
function drawFile(file) {
  const url = URL.createObjectURL(new Blob([file.content], { type: "application/octet-stream" }));
  return el("a", { class: "button", href: url, download: file.name }, _("Save {name}", { name: file.name }));
}

export function drawAccess(lease, zone, now) {
  if (lease.access) {
    return el("div", { class: "access" }, el("h3", {}, _("Access")),
      el("p", {}, lease.access.instructions), lease.access.endpoints.map(drawEndpoint),
      lease.access.files?.length ? el("p", { class: "access-files" }, lease.access.files.map(drawFile)) : "");
  }
  if (["REQUESTED", "SCHEDULED", "PROVISIONING"].includes(lease.status)) {
    const ms = Date.parse(lease.starts_at);
    return el("p", { class: "access-later" }, ms > now ? _("Access opens at {time} {zone} on {day}. It appears here.", { time: clock(zone, ms), zone: zoneWords(zone), day: dayWords(zone, ms) }) : _("Access opens as soon as the device is ready. It appears here."));
  }
  return "";
}

/** Return what can be saved of all devices at once, and the entry for one's calendar. */
export function drawDownloads(reservation) {
  const open = reservation.leases.filter((lease) => lease.access);
  const bySsh = open.some((lease) => lease.access.endpoints.some((endpoint) => endpoint.protocol === "ssh"));
  const files = open.some((lease) => lease.access.files?.length);
  const isOver = ["over", "cancelled", "rejected"].includes(reservation.phase);
  const save = (name, words) => el("a", { class: "button", href: `/reservations/${reservation.id}/${name}`, download: true }, words);
  const links = [
    bySsh && save("ssh_config", _("Save the ssh configuration")),
    (files || open.length > 1) && save("access.zip", _("Save all files (zip)")),
    !isOver && save("calendar.ics", _("Save for my calendar")),
  ].filter(Boolean);
  return links.length ? el("div", { class: "actions downloads", id: "access" }, links) : "";
}
