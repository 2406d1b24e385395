/** What is wished for: as the page keeps it, as the address carries it, as the portal takes it. */

import { DAY, HOUR, iso } from "../../portal/time.js";

export const SORTS = ["earliest", "cheapest", "fastest"];

/** Return the wish that an address carries; what it does not say is left open. */
export function readWish(search) {
  const given = new URLSearchParams(search);
  const hours = Number(given.get("hours"));
  return {
    lines: given.getAll("line").map(readLine).filter((line) => line.kind || line.resource),
    hours: hours > 0 && hours <= 24 * 92 ? hours : 4,
    from: Date.parse(given.get("from")) || null,
    to: Date.parse(given.get("to")) || null,
    sameSite: given.has("same_site"),
    wired: given.has("wired"),
    sites: given.getAll("site"),
    barred: given.getAll("not_site"),
    sort: SORTS.includes(given.get("sort")) ? given.get("sort") : "earliest",
  };
}

// 2*gpu*NVIDIA L40S*better, 1*gpu**memory_gib>=40, 1*device*<uuid>
function readLine(text) {
  const [count, kind, model = "", ...rest] = text.split("*");
  const line = { count: Math.min(Math.max(Math.round(Number(count)) || 1, 1), 64), kind, model, attributes: {}, better: false };
  if (kind === "device") return { ...line, kind: "", model: "", resource: model, count: 1 };
  for (const word of rest) {
    const [name, least] = word.split(">=");
    if (word === "better") line.better = true;
    else if (Number.isFinite(Number(least))) line.attributes[`${name}_min`] = Number(least);
  }
  return line;
}

const writeLine = ({ count, kind, model, resource, better, attributes }) => (resource ? ["1", "device", resource]
  : [count, kind, model, ...(better ? ["better"] : []), ...Object.entries(attributes).map(([name, least]) => `${name.replace(/_min$/, "")}>=${least}`)]).join("*");

/** Return the address of a wish, for colleagues. */
export function writeWish(wish) {
  const said = new URLSearchParams();
  for (const line of wish.lines) said.append("line", writeLine(line));
  said.set("hours", String(wish.hours));
  if (wish.from) said.set("from", iso(wish.from));
  if (wish.to) said.set("to", iso(wish.to));
  if (wish.sameSite) said.set("same_site", "1");
  if (wish.wired) said.set("wired", "1");
  for (const site of wish.sites) said.append("site", site);
  for (const site of wish.barred) said.append("not_site", site);
  if (wish.sort !== "earliest") said.set("sort", wish.sort);
  return `?${said}`;
}

/** Return the least values that a model has: what is at least as good reaches them. */
export function leastOf(catalogue, { kind, model }) {
  const known = catalogue.find((one) => one.kind === kind && one.model === model);
  return { ...(known?.memory_gib && { memory_gib_min: known.memory_gib }), ...(known?.speed && { relative_speed_min: known.speed }) };
}

/** Return the wish as a search takes it. */
export function askOf(wish, catalogue, now) {
  const resources = wish.lines.map((line) => {
    if (line.resource) return { resource: line.resource };
    const attributes = { ...line.attributes, ...(line.better && leastOf(catalogue, line)) };
    return { kind: line.kind, count: line.count, ...(line.model && !line.better && { model: line.model }), ...(Object.keys(attributes).length && { attributes }) };
  });
  if (wish.sameSite && resources.length === 1 && resources[0].count > 1) {
    resources.push({ ...resources[0], count: resources[0].count - 1 });
    resources[0] = { ...resources[0], count: 1 };
  }
  if (wish.sameSite) for (const line of resources.slice(1)) line.same_site_as = 0;
  const from = Math.max(wish.from ?? now, now);
  const to = Math.max(wish.to ?? from + 14 * DAY, from + wish.hours * HOUR);
  return {
    resources, duration_s: Math.round(wish.hours * 3600), ...(wish.from > now && { earliest: iso(wish.from) }), latest: iso(to),
    ...(wish.wired && resources.length > 1 && { connected: true }), ...(wish.sites.length && { sites: wish.sites }), ...(wish.barred.length && { barred_sites: wish.barred }),
  };
}

/** Return the page's wish for one that the portal suggests. */
export function wishOf(ask, { sort, from }) {
  const resources = ask.resources;
  return {
    lines: resources.map(({ count = 1, kind = "", model = "", resource, attributes = {} }) => ({ count, kind, model, resource, attributes, better: false })),
    hours: ask.duration_s / 3600, from, to: Date.parse(ask.latest),
    sameSite: resources.some((line) => line.same_site_as !== undefined), wired: Boolean(ask.connected || ask.links?.length),
    sites: ask.sites ?? [], barred: ask.barred_sites ?? [], sort,
  };
}
