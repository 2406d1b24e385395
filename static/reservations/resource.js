/** The page of a resource: what it is, its health, its parts, its last clean proof. The board above it is its own. */

import { get, query } from "../portal/api.js";
import { el } from "../portal/dom.js";
import { durationWords, momentWords, utcWords } from "../portal/time.js";
import { onZone, viewerZone } from "../portal/zone.js";
import { drawProof } from "./proof.js";
import { healthOf, kindWords } from "./states.js";
import { drawWiring } from "./wiring.js";

const root = document.getElementById("resource");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const id = root.dataset.resource;

function healthWords(resource) {
  const [health, words] = healthOf(resource);
  return el("span", { class: "state" }, el("span", { class: "dot", data: { health } }), words);
}

function valueWords(value) {
  if (Array.isArray(value)) return value.map(valueWords).join(", ");
  if (value && typeof value === "object") return JSON.stringify(value);
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

const SHORT = new Set(["pci", "mig", "numa", "bmc", "vf", "cpu"]);

/** Return the name and value of an attribute in words: `memory_gib: 48` is “Memory 48 GiB”. */
function attributeWords(name, value) {
  const words = name.replace(/_gib$/, "").split("_").map((word) => (SHORT.has(word) ? word.toUpperCase() : word)).join(" ");
  return [words[0].toUpperCase() + words.slice(1), `${valueWords(value)}${name.endsWith("_gib") ? " GiB" : ""}`];
}

function draw(resource, parts, parent, links) {
  const zone = viewerZone();
  const attributes = Object.entries(resource.attributes ?? {}).filter(([name, value]) => name !== "model" && value !== null && value !== "" && !(Array.isArray(value) && !value.length));
  part("health").replaceChildren(healthWords(resource));
  part("facts").replaceChildren(
    el("section", { class: "block", aria: { label: "What it is" } }, el("div", { class: "block-head" }, el("h2", {}, "What it is")),
      el("div", { class: "block-body" }, el("dl", { class: "facts" },
        el("dt", {}, "Kind"), el("dd", {}, kindWords(resource.kind, 1)),
        resource.model && [el("dt", {}, "Model"), el("dd", {}, resource.model)],
        parent && [el("dt", {}, "Part of"), el("dd", {}, el("a", { href: `/resources/${parent.id}/` }, parent.name))],
        attributes.map(([name, value]) => attributeWords(name, value)).map(([name, words]) => [el("dt", {}, name), el("dd", {}, words)]),
        el("dt", {}, "Preparation"), el("dd", {}, durationWords(resource.preparation_s * 1000), el("span", { class: "quiet" }, " before each lease")),
        el("dt", {}, "Clean-up"), el("dd", {}, durationWords(resource.cleanup_s * 1000), el("span", { class: "quiet" }, " after each lease")),
        el("dt", {}, "Health"), el("dd", {}, healthWords(resource), resource.observed_at && el("span", { class: "quiet", title: utcWords(Date.parse(resource.observed_at)) }, `, seen ${momentWords(zone, Date.parse(resource.observed_at))}`),
          resource.health_detail && resource.health_detail !== resource.quarantine_reason && el("p", { class: "quiet" }, resource.health_detail)),
        resource.quarantined && [el("dt", {}, "Quarantine"), el("dd", {}, resource.quarantine_reason || "It could not be proven clean; an operator has to look at it.")]),
      resource.notice && el("p", { class: "help spaced" }, resource.notice))),
    el("section", { class: "block", aria: { label: "Last clean proof" } }, el("div", { class: "block-head" }, el("h2", {}, "Last clean proof")),
      el("div", { class: "block-body" }, resource.last_proof ? drawProof(resource.last_proof, zone) : el("p", { class: "quiet" }, "Not leased through the portal yet, so there is none."))),
    parts.length ? el("section", { class: "block", aria: { label: "Parts" } }, el("div", { class: "block-head" }, el("h2", {}, "Parts"), el("span", { class: "quiet" }, "Leasing the whole takes all of them.")),
      el("ul", { class: "block-body stack" }, parts.map((one) => el("li", { class: "part" }, el("a", { href: `/resources/${one.id}/` }, one.name), el("span", { class: "quiet" }, ` ${one.model} `), healthWords(one))))) : "",
    drawWiring(links));
}

async function load() {
  try {
    const resource = await get(`resources/${id}/`);
    const parts = resource.has_parts === false ? [] : ((await get(`resources/?${query({ parent: id })}`)).results ?? []);
    const parent = resource.parent ? await get(`resources/${resource.parent}/`) : null;
    // A part has the cables of its whole.
    const here = new Set([resource.id, parent?.id]);
    const links = (await get(`sites/${resource.site}/topology/`)).links.filter(({ ends }) => ends.some((end) => here.has(end.resource)));
    draw(resource, parts, parent, links);
    onZone(() => draw(resource, parts, parent, links));
  } catch (problem) {
    part("facts").replaceChildren(el("div", { class: "block empty" }, el("strong", {}, "What is known of it could not be loaded."), el("p", {}, problem.message), el("button", { type: "button", class: "button", onclick: load }, "Try again")));
  }
}

load();
