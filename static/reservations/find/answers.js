/** The answers: each a small board with its price and speed, or why there is none and what to give up. */

import { el } from "../../portal/dom.js";
import { clock, durationWords, offsetMinutes, utcWords, windowWords, zoneWords } from "../../portal/time.js";
import { _, language, ngettext } from "../../portal/words.js";
import { drawWait } from "../wait.js";

const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
export const creditWords = (credits) => (credits === null ? _("no price set") : credits === 0 ? _("free of charge") : ngettext("{number} credit", "{number} credits", credits, { number: numbers.format(credits) }));
const speedWords = (speed) => (speed === null ? _("speed unknown") : _("speed {number} ×", { number: numbers.format(speed) }));

/** Return one answer; `finder` books it, and holds it while it is open. */
export function drawAnswer(slot, finder) {
  const from = Date.parse(slot.starts_at);
  const to = Date.parse(slot.ends_at);
  const { zone } = finder;
  const bySite = Map.groupBy ? Map.groupBy(slot.devices, (one) => one.site) : slot.devices.reduce((found, one) => found.set(one.site, [...(found.get(one.site) ?? []), one]), new Map());
  const held = el("p", { class: "help", role: "status" });
  const trouble = el("div");
  const purpose = el("input", { type: "text", maxlength: "200", placeholder: _("For whoever shares the project"), aria: { label: _("What for") } });
  const book = () => finder.book(slot, { purpose: purpose.value, trouble, button });
  const button = el("button", { type: "button", class: "button primary", onclick: book }, _("Book"));
  const more = el("details", { ontoggle: (event) => (event.target.open ? finder.hold(slot, held) : finder.drop(slot, held)) },
    el("summary", {}, _("Look closer, and keep it free meanwhile")),
    el("div", { class: "stack" }, held, el("label", { class: "field" }, el("span", { class: "label" }, _("What for")), purpose),
      el("table", {}, el("thead", {}, el("tr", {}, [_("Device"), _("An hour"), _("In all"), _("Speed")].map((word) => el("th", { scope: "col" }, word)))),
        el("tbody", {}, slot.devices.map((one) => el("tr", {}, el("td", {}, el("a", { href: `/resources/${one.resource}/` }, `${one.site_name} · ${one.resource_name}`)), el("td", {}, creditWords(one.credits_per_hour)), el("td", {}, creditWords(one.credits)),
          el("td", {}, speedWords(one.speed), one.credits_for_work !== null && el("span", { class: "help" }, ` ${_("{credits} for the work of one hour at 1 ×", { credits: creditWords(one.credits_for_work) })}`))))))));
  return el("article", { class: "answer block", aria: { label: windowWords(zone, from, to) } },
    el("div", { class: "answer-head" },
      el("div", { class: "grow" }, el("h3", { title: `${utcWords(from)} – ${utcWords(to)}` }, windowWords(zone, from, to)), el("p", { class: "help" }, `${zoneWords(zone)} · ${durationWords(to - from)}`)),
      el("div", { class: "answer-price" }, el("strong", {}, creditWords(slot.credits)), el("span", { class: "help" }, speedWords(slot.speed))),
      button),
    drawTrack(from, to, finder),
    [...bySite.values()].map((devices) => drawSite(devices, { from, to, zone })),
    trouble, more);
}

function drawSite(devices, { from, to, zone }) {
  const [{ site_name, site_time_zone }] = devices;
  const foreign = offsetMinutes(site_time_zone, from) !== offsetMinutes(zone, from);
  return el("div", { class: "answer-site" },
    el("div", { class: "answer-site-name" }, el("strong", {}, site_name), foreign && el("span", { class: "help" }, ` ${clock(site_time_zone, from)} – ${clock(site_time_zone, to)} ${zoneWords(site_time_zone)}`)),
    el("ul", {}, devices.map((one) => el("li", {}, el("span", {}, one.resource_name), one.model && !one.model.includes(one.resource_name) && el("span", { class: "quiet" }, ` ${one.model}`)))));
}

/** Return where the window lies in the time that was searched. */
function drawTrack(from, to, { searched }) {
  const span = searched.to - searched.from;
  const bar = el("span", { class: "answer-bar" });
  bar.style.left = `${Math.max((from - searched.from) / span, 0) * 100}%`;
  bar.style.width = `${Math.max(Math.min((to - from) / span, 1) * 100, 0.8)}%`;
  return el("div", { class: "answer-track", aria: { hidden: "true" } }, bar);
}

/** Return why nothing was found, what to give up, and the way onto the wait list. */
export function drawNothing(answer, finder) {
  const { refusals, never, hints, relaxations } = answer;
  return el("div", { class: "nothing stack" },
    el("div", { class: `note ${never ? "bad" : "warn"}` }, el("div", {},
      el("h2", {}, never ? _("This can never be had") : _("Not within this time")),
      el("ul", {}, [...refusals.map((one) => one.message), ...hints].map((words) => el("li", {}, words))))),
    relaxations.length > 0 && el("div", { class: "block" }, el("div", { class: "block-head" }, el("h2", {}, _("What would work"))),
      el("ul", { class: "block-body relaxations" }, relaxations.map((one) => el("li", {},
        el("button", { type: "button", class: "button", onclick: () => finder.relax(one) }, one.words),
        el("span", { class: "help" }, _("first {window}", { window: windowWords(finder.zone, Date.parse(one.slot.starts_at), Date.parse(one.slot.ends_at)) })))))),
    !never && drawWait(() => finder.wishToWaitFor(), finder));
}
