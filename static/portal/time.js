/** Moments in time zones, by Intl. Moments are milliseconds; days and hours exist only in a zone. */

import { _, language } from "./words.js";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const formats = new Map();

function formatOf(zone) {
  if (!formats.has(zone)) {
    formats.set(zone, new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
      hour: "numeric", minute: "numeric", second: "numeric",
    }));
  }
  return formats.get(zone);
}

export function isZone(zone) {
  try { formatOf(zone); return true; } catch { return false; }
}

const offsets = new Map();

/** Return how many minutes the zone is ahead of UTC at a moment. */
export function offsetMinutes(zone, ms) {
  // Clocks are changed at full quarters of an hour, and to ask Intl takes long: a board asks thousands of times.
  const key = `${zone} ${Math.floor(ms / (15 * MINUTE))}`;
  let offset = offsets.get(key);
  if (offset === undefined) {
    const p = {};
    for (const { type, value } of formatOf(zone).formatToParts(ms)) if (type !== "literal") p[type] = Number(value);
    offset = Math.round((Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - Math.floor(ms / 1000) * 1000) / MINUTE);
    if (offsets.size > 20_000) offsets.clear();
    offsets.set(key, offset);
  }
  return offset;
}

/** Return year, month (1 to 12), day, hour, minute, second and weekday (0 is Sunday) as a clock in the zone shows them. */
export function partsIn(zone, ms) {
  const shown = new Date(ms + offsetMinutes(zone, ms) * MINUTE);
  return {
    year: shown.getUTCFullYear(), month: shown.getUTCMonth() + 1, day: shown.getUTCDate(), hour: shown.getUTCHours(),
    minute: shown.getUTCMinutes(), second: shown.getUTCSeconds(), weekday: shown.getUTCDay(),
  };
}

/** Return the moment at which a clock in the zone shows this; a time that DST skips becomes the one after the gap. */
export function momentAt(zone, year, month, day, hour = 0, minute = 0) {
  const wall = Date.UTC(year, month - 1, day, hour, minute);
  const first = wall - offsetMinutes(zone, wall) * MINUTE;
  return wall - offsetMinutes(zone, first) * MINUTE;
}

export function startOfDay(zone, ms) {
  const p = partsIn(zone, ms);
  return momentAt(zone, p.year, p.month, p.day);
}

/** Return the start of the day that is `days` later; a day may have 23 or 25 hours. */
export function addDays(zone, ms, days) {
  const p = partsIn(zone, ms);
  return momentAt(zone, p.year, p.month, p.day + days);
}

export function startOfWeek(zone, ms) {
  return addDays(zone, ms, -((partsIn(zone, ms).weekday + 6) % 7));
}

export function startOfMonth(zone, ms, months = 0) {
  const p = partsIn(zone, ms);
  return momentAt(zone, p.year, p.month + months, 1);
}

const two = (number) => String(number).padStart(2, "0");

export function clock(zone, ms) {
  const p = partsIn(zone, ms);
  return `${two(p.hour)}:${two(p.minute)}`;
}

export function clockWithSeconds(zone, ms) {
  return `${clock(zone, ms)}:${two(partsIn(zone, ms).second)}`;
}

const written = new Map();

/** Return a date as the language of the page writes it. English ones are put together here: browsers differ in the comma. */
function dateWords(zone, ms, parts) {
  const key = `${zone} ${JSON.stringify(parts)}`;
  if (!written.has(key)) written.set(key, new Intl.DateTimeFormat(language, { timeZone: zone, ...parts }));
  return written.get(key).format(ms);
}

/** Return `Tue 24 Nov`, with the year where it is not this one; without the weekday where that goes without saying. */
export function dayWords(zone, ms, now = Date.now(), { weekday = true } = {}) {
  const p = partsIn(zone, ms);
  const thisYear = p.year === partsIn(zone, now).year;
  if (language !== "en") return dateWords(zone, ms, { ...(weekday && { weekday: "short" }), day: "numeric", month: "short", ...(!thisYear && { year: "numeric" }) });
  return `${weekday ? `${WEEKDAYS[p.weekday]} ` : ""}${p.day} ${MONTHS[p.month - 1]}${thisYear ? "" : ` ${p.year}`}`;
}

/** Return `Tue`. */
export function weekdayWords(zone, ms) {
  return language === "en" ? WEEKDAYS[partsIn(zone, ms).weekday] : dateWords(zone, ms, { weekday: "short" });
}

/** Return `November 2026`. */
export function monthWords(zone, ms) {
  return dateWords(zone, ms, { month: "long", year: "numeric" });
}

export function momentWords(zone, ms, now = Date.now()) {
  return `${dayWords(zone, ms, now)}, ${clock(zone, ms)}`;
}

/** Return `Tue 24 Nov, 14:00 – 16:30`, naming the second day only where it is another. */
export function windowWords(zone, from, to) {
  const same = startOfDay(zone, from) === startOfDay(zone, to) || (to === addDays(zone, from, 1));
  if (to === addDays(zone, from, 1)) return `${momentWords(zone, from)} – 24:00`;
  return `${momentWords(zone, from)} – ${same ? clock(zone, to) : momentWords(zone, to)}`;
}

/** Return the zone as people say it: `Europe/Rome`, `UTC`. */
export function zoneWords(zone) {
  return zone.replaceAll("_", " ");
}

export function offsetWords(minutes) {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "−" : "+"}${Math.floor(size / 60)}${size % 60 ? `:${two(size % 60)}` : ""}`;
}

export function durationWords(ms) {
  const minutes = Math.round(Math.abs(ms) / MINUTE);
  if (minutes < 1) return _("under a minute");
  const days = Math.floor(minutes / 1440);
  const hours = Math.floor((minutes % 1440) / 60);
  const rest = minutes % 60;
  return [days && _("{days} d", { days }), hours && _("{hours} h", { hours }), !days && rest && _("{minutes} min", { minutes: rest })].filter(Boolean).join(" ");
}

/** Return a countdown that ticks: `2 d 4 h`, `3:07:12`. */
export function countdownWords(ms) {
  if (ms <= 0) return _("now");
  if (ms >= 2 * DAY) return durationWords(ms);
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

export function utcWords(ms) {
  return `${momentWords("UTC", ms)} UTC`;
}

/** Return the value of a `datetime-local` input for a moment in a zone, and the way back. */
export function toInput(zone, ms) {
  const p = partsIn(zone, ms);
  return `${p.year}-${two(p.month)}-${two(p.day)}T${two(p.hour)}:${two(p.minute)}`;
}
export function fromInput(zone, text) {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d))?/.exec(text ?? "");
  return match ? momentAt(zone, ...match.slice(1).map((part) => Number(part ?? 0))) : NaN;
}
export function toDateInput(zone, ms) {
  return toInput(zone, ms).slice(0, 10);
}

export const iso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
