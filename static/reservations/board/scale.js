/** The time axis: which range a view shows, where a moment lies, where it snaps to. */

import { addDays, HOUR, MINUTE, offsetMinutes, partsIn, startOfDay, startOfMonth } from "../../portal/time.js";

/** Return the half-open range that a view shows. A week begins at its day: what comes next matters more than Monday. */
export function rangeOf(view, zone, date) {
  if (view === "month") return { from: startOfMonth(zone, date), to: startOfMonth(zone, date, 1) };
  const from = startOfDay(zone, date);
  return { from, to: addDays(zone, from, view === "week" ? 7 : 1) };
}

/** Return the day one step before or after. */
export function stepped(view, zone, date, step) {
  if (view === "week") return addDays(zone, date, 7 * step);
  if (view === "month") return startOfMonth(zone, date, step);
  return addDays(zone, date, step);
}

/** How wide an hour has to be for its snap, in pixels: finer as one looks closer. */
const SNAPS = [[96, 5], [32, 15], [4.5, 30], [2.4, 120], [0, 360]];
const LABEL_STEPS = [1, 2, 3, 6, 12];

export class Scale {
  constructor({ view, zone, from, to, width, zoom = 1 }) {
    const least = { day: 24 * 26, week: 7 * 88, month: 31 * 28 }[view] ?? 624;
    Object.assign(this, { view, zone, from, to, width: Math.max(width, least) * zoom });
    this.perMs = this.width / (to - from);
    this.hourPx = this.perMs * HOUR;
    this.snapMinutes = SNAPS.find(([px]) => this.hourPx >= px)[1];
    this.cellMinutes = { day: 30, week: 120, month: 1440 }[view] ?? 30;
    if (zoom > 1 && view !== "month") this.cellMinutes /= zoom;
  }

  x(ms) { return (ms - this.from) * this.perMs; }

  at(x) { return this.from + x / this.perMs; }

  /** Return the nearest moment on the grid of a clock in the viewer's zone. */
  snap(ms, minutes = this.snapMinutes, round = Math.round) {
    const shift = offsetMinutes(this.zone, ms) * MINUTE;
    return round((ms + shift) / (minutes * MINUTE)) * minutes * MINUTE - shift;
  }

  floor(ms, minutes = this.snapMinutes) { return this.snap(ms, minutes, Math.floor); }

  clamp(ms) { return Math.min(Math.max(ms, this.from), this.to); }

  days() {
    const days = [];
    for (let day = this.from; day < this.to; day = addDays(this.zone, day, 1)) {
      const next = addDays(this.zone, day, 1);
      const weekday = partsIn(this.zone, day).weekday;
      days.push({ from: day, to: next, x: this.x(day), width: this.x(next) - this.x(day), weekend: weekday === 0 || weekday === 6 });
    }
    return days;
  }

  /** Return the hours that have room for a label, with the hour that a clock in `zone` shows there. */
  hours(zone = this.zone, room = 34) {
    const step = LABEL_STEPS.find((hours) => hours * this.hourPx >= room);
    if (!step) return [];
    const hours = [];
    for (const day of this.days()) {
      for (let ms = day.from; ms < day.to; ms += HOUR) {
        const own = partsIn(this.zone, ms);
        if (own.hour % step !== 0 || own.minute !== 0) continue;
        const shown = zone === this.zone ? own : partsIn(zone, ms);
        const minute = shown.minute ? `:${String(shown.minute).padStart(2, "0")}` : "";
        hours.push({ ms, x: this.x(ms), label: `${String(shown.hour).padStart(2, "0")}${minute || (this.hourPx * step > 56 ? ":00" : "")}`, midnight: own.hour === 0 });
      }
    }
    return hours;
  }
}
