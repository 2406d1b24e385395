/** The rule of a series: its form, its words, and what it says of the clocks. */

import { el } from "../portal/dom.js";
import { dayWords, partsIn, zoneWords } from "../portal/time.js";
import { _, language, ngettext } from "../portal/words.js";

const MONDAY = Date.UTC(2024, 0, 1);
const DAY_MS = 86_400_000;
const two = (number) => String(number).padStart(2, "0");
const dayName = (weekday, length) => new Intl.DateTimeFormat(language, { weekday: length, timeZone: "UTC" }).format(MONDAY + weekday * DAY_MS);
const atNoon = (day) => Date.parse(`${day}T12:00:00Z`);

/** Return a date of the calendar in words; it has no zone. */
export const dateWords = (day) => dayWords("UTC", atNoon(day));

/** Return a date some days later. */
export const datePlus = (day, days) => new Date(atNoon(day) + days * DAY_MS).toISOString().slice(0, 10);

/** Return the rule's times of day and first day for a window, by the clocks of a zone. */
export function timesOf(zone, from, to) {
  const [start, end] = [partsIn(zone, from), partsIn(zone, to)];
  const day = ({ year, month, day: number }) => Date.UTC(year, month - 1, number);
  return {
    zone,
    first_on: `${start.year}-${two(start.month)}-${two(start.day)}`,
    start: `${two(start.hour)}:${two(start.minute)}`,
    end: `${two(end.hour)}:${two(end.minute)}`,
    nights: Math.round((day(end) - day(start)) / DAY_MS),
  };
}

/** Return a rule as a sentence: `Every week on Mon and Wed, 14:00 – 16:00 (Europe/Rome), until Fri 18 Dec`. */
export function ruleWords(rule) {
  const days = rule.weekdays.map((weekday) => dayName(weekday, "long")).join(", ");
  const every = rule.every === "day"
    ? ngettext("Every day", "Every {count} days", rule.interval)
    : ngettext("Every week on {days}", "Every {count} weeks on {days}", rule.interval, { days });
  const nights = rule.nights ? ngettext(" the next day", " {count} days later", rule.nights) : "";
  return _("{every}, {start} – {end}{nights} ({zone}), until {until}", { every, start: rule.start, end: rule.end, nights, zone: zoneWords(rule.zone), until: dateWords(rule.until) });
}

/** The rule for days on which the clocks change, as it stands in the documentation. */
export const clocksWords = () => _("Clock time is kept when the clocks change. A time that is skipped becomes the first moment after it; a time that comes twice means the first.");

/** A form for the days of a rule; `rule` holds what was chosen. */
export class RuleForm {
  constructor({ rule, id, onChange, most = 100 }) {
    this.rule = { every: "week", interval: 1, weekdays: [], until: null, times: null, ...rule };
    this.id = id;
    this.onChange = onChange;
    this.most = most;
    this.node = el("div", { class: "rule-form" });
    this.draw();
  }

  set(values) {
    Object.assign(this.rule, values);
    this.onChange();
  }

  draw() {
    const { rule, id } = this;
    const every = el("select", { id: `${id}-every`, onchange: () => { this.set({ every: every.value }); this.draw(); document.getElementById(every.id)?.focus(); } },
      [["week", _("weeks")], ["day", _("days")]].map(([value, words]) => el("option", { value, selected: rule.every === value }, words)));
    const interval = el("input", { type: "number", id: `${id}-interval`, min: "1", max: "52", value: String(rule.interval), onchange: () => this.set({ interval: Math.max(1, Number(interval.value) || 1) }) });
    const byDay = rule.until !== null;
    const until = el("input", { type: "date", id: `${id}-until`, value: rule.until ?? "", onchange: () => this.set({ until: until.value, times: null }) });
    const times = el("input", { type: "number", id: `${id}-times`, min: "1", max: String(this.most), value: String(rule.times ?? 10), onchange: () => this.set({ times: Number(times.value) || 1, until: null }) });
    const ends = el("select", { id: `${id}-ends`, onchange: () => {
      const chosen = ends.value === "until";
      this.set(chosen ? { until: datePlus(rule.first_on, 70), times: null } : { until: null, times: 10 });
      this.draw();
      document.getElementById(ends.id)?.focus();
    } }, [["times", _("after so many times")], ["until", _("on a day")]].map(([value, words]) => el("option", { value, selected: (value === "until") === byDay }, words)));
    this.node.replaceChildren(
      el("div", { class: "rule-pair" },
        el("div", { class: "field" }, el("label", { for: interval.id }, _("Every")), interval),
        el("div", { class: "field" }, el("label", { for: every.id }, _("Unit")), every)),
      rule.every === "week" ? el("fieldset", { class: "weekdays" }, el("legend", { class: "label" }, _("On")), [0, 1, 2, 3, 4, 5, 6].map((weekday) => {
        const chosen = rule.weekdays.includes(weekday);
        const chip = el("button", { type: "button", class: "chip", aria: { pressed: String(chosen), label: dayName(weekday, "long") }, onclick: () => {
          const weekdays = rule.weekdays.includes(weekday) ? rule.weekdays.filter((one) => one !== weekday) : [...rule.weekdays, weekday].sort();
          chip.setAttribute("aria-pressed", String(weekdays.includes(weekday)));
          this.set({ weekdays });
        } }, dayName(weekday, "short"));
        return chip;
      })) : "",
      el("div", { class: "rule-pair" },
        el("div", { class: "field" }, el("label", { for: ends.id }, _("It ends")), ends),
        byDay
          ? el("div", { class: "field" }, el("label", { for: until.id }, _("Last day")), until)
          : el("div", { class: "field" }, el("label", { for: times.id }, _("Times")), times)));
  }

  /** Return the rule as the API takes it. */
  get asked() {
    const { every, interval, weekdays, first_on, start, end, nights, zone, until, times } = this.rule;
    return { every, interval, first_on, start, end, nights, zone, ...(every === "week" && weekdays.length && { weekdays }), ...(until ? { until } : { times: times ?? 10 }) };
  }
}
