/** One's calendar feeds: made, shown once, revoked. */

import { get, post, remove } from "../portal/api.js";
import { copyButton, el, readConfig } from "../portal/dom.js";
import { momentWords, utcWords } from "../portal/time.js";
import { toast } from "../portal/toast.js";
import { _ } from "../portal/words.js";
import { onZone, viewerZone } from "../portal/zone.js";

const config = readConfig("feeds-config", { projects: [], devices: [] });
const part = (name) => document.querySelector(`#feeds [data-part="${name}"]`);
const form = part("form");
const asked = new URLSearchParams(location.search);

function titleOf(feed) {
  if (feed.scope === "mine") return _("My reservations");
  return feed.scope === "project" ? _("Project {name}", { name: feed.title }) : feed.title;
}

function moment(text) {
  const ms = Date.parse(text);
  return el("time", { datetime: text, title: utcWords(ms) }, momentWords(viewerZone(), ms));
}

function drawFeed(feed) {
  const line = el("div", { class: "feed" });
  const calm = () => {
    const button = el("button", { type: "button", class: "button small", aria: { label: _("Revoke {name}", { name: titleOf(feed) }) }, onclick: ask }, _("Revoke"));
    line.replaceChildren(
      el("div", { class: "feed-what" }, el("strong", {}, titleOf(feed)), el("span", { class: "quiet" }, ` · ${feed.shows_details ? _("with details") : _("only when")}`),
        el("div", { class: "quiet" }, feed.last_used_at ? [_("Last read"), " ", moment(feed.last_used_at), feed.last_used_by && ` · ${feed.last_used_by}`] : _("Never read"))),
      button);
    return button;
  };
  const ask = () => {
    const yes = el("button", { type: "button", class: "button small danger", onclick: revoke }, _("Revoke it"));
    line.replaceChildren(el("div", { class: "feed-what" }, _("Calendars that use this address get nothing any more. Revoke it?")), yes,
      el("button", { type: "button", class: "button small", onclick: () => calm().focus() }, _("Keep it")));
    yes.focus();
  };
  const revoke = async () => {
    try { await remove(`calendar-feeds/${feed.id}/`); toast(_("Revoked.")); load(); } catch (problem) { toast(problem.message, { seconds: 10 }); calm(); }
  };
  calm();
  return line;
}

async function load() {
  try {
    const answer = await get("calendar-feeds/");
    const feeds = answer.results ?? answer;
    part("list").replaceChildren(feeds.length ? el("div", { class: "feed-list" }, feeds.map(drawFeed)) : el("p", { class: "quiet" }, _("No address yet.")));
  } catch (problem) {
    part("list").replaceChildren(el("p", { class: "note bad" }, problem.message, el("button", { type: "button", class: "button small", onclick: load }, _("Try again"))));
  }
}

function showFields() {
  for (const field of form.querySelectorAll("[data-for]")) field.hidden = field.dataset.for !== form.elements.scope.value;
}

form.elements.project.replaceChildren(...config.projects.map(({ slug, name }) => el("option", { value: slug, selected: asked.get("project") === slug }, name)));
form.elements.resource.replaceChildren(...config.devices.map(({ id, name }) => el("option", { value: id, selected: asked.get("resource") === id }, name)));
if (!config.projects.length) form.querySelector('option[value="project"]').disabled = true;
for (const scope of ["project", "resource"]) if (asked.has(scope)) form.elements.scope.value = scope;
form.elements.scope.addEventListener("change", showFields);
showFields();

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  const scope = form.elements.scope.value;
  button.disabled = true;
  part("errors").replaceChildren();
  try {
    const made = await post("calendar-feeds/", {
      scope, shows_details: form.elements.shows_details.checked,
      ...(scope === "project" && { project: form.elements.project.value }), ...(scope === "resource" && { resource: form.elements.resource.value }),
    });
    part("new").hidden = false;
    part("new").replaceChildren(el("div", { class: "note good feed-new", role: "status" }, el("div", { class: "stack" },
      el("p", {}, el("strong", {}, _("“{name}” is ready.", { name: titleOf(made) })), " ", _("The address is shown this once. Copy it now.")),
      el("p", { class: "copy-line" }, el("code", { class: "break" }, made.address), copyButton(made.address, _("the address"))),
      el("p", {}, el("a", { class: "button", href: made.address.replace(/^https?:/, "webcal:") }, _("Open in a calendar program"))))));
    await load();
  } catch (problem) {
    const words = Object.values(problem.errors ?? {}).flat();
    part("errors").replaceChildren(...(words.length ? words : [problem.message]).map((each) => el("p", {}, each)));
  }
  button.disabled = false;
});

load();
onZone(load);
