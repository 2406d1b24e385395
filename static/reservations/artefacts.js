/** The files of one's projects: versions, where they come from, upload, compile, delete. */

import { get, newKey, post, query, remove } from "../portal/api.js";
import { copyButton, el, readConfig } from "../portal/dom.js";
import { momentWords, utcWords } from "../portal/time.js";
import { toast } from "../portal/toast.js";
import { onZone, viewerZone } from "../portal/zone.js";
import { drawSlot, fileWords, sizeWords } from "./slot.js";

const LOOK_AGAIN_MS = 2000;
const config = readConfig("artefacts-config");
const body = document.querySelector('#artefacts [data-part="body"]');
const adapterOf = (file) => config.adapters.find((one) => one.name === file.adapter);
const slotOf = (file) => adapterOf(file)?.slots.find((slot) => slot.name === file.name);

function removeButton(file, reload) {
  const line = el("span", { class: "confirm" });
  const calm = () => line.replaceChildren(el("button", { type: "button", class: "button small", aria: { label: `Delete ${fileWords(file)}` }, onclick: ask }, "Delete"));
  const ask = () => {
    line.replaceChildren(
      el("button", { type: "button", class: "button small danger", onclick: async () => {
        try { await remove(`artefacts/${file.id}/`); toast(`${fileWords(file)} is gone.`); reload(); } catch (problem) { toast(problem.message, { seconds: 10 }); calm(); }
      } }, "Delete it"),
      el("button", { type: "button", class: "button small", onclick: calm }, "Keep"));
    line.querySelector("button").focus();
  };
  calm();
  return line;
}

/** Return the form that has a site compile a source, and what came of it. */
function drawBuild(file, reload) {
  const { devices = [] } = adapterOf(file) ?? {};
  const status = el("div", { role: "status" });
  const device = el("select", { id: `device-${file.id}` }, devices.map((one) => el("option", { value: one.id }, one.name)));
  const button = el("button", { type: "submit", class: "button primary" }, "Compile");
  const show = ([build], follow) => {
    if (!build) return;
    if (build.state === "waiting") {
      status.replaceChildren(el("p", { class: "quiet" }, `Waiting for ${build.resource_name}'s site to compile it…`));
      if (follow) setTimeout(look, LOOK_AGAIN_MS);
      return;
    }
    status.replaceChildren(build.state === "done"
      ? el("p", { class: "passed" }, `Made ${build.made.map(fileWords).join(" and ")}.`)
      : el("div", { class: "note bad" }, el("pre", { class: "break compiler-words" }, build.detail)));
    button.disabled = false;
    if (follow && build.state === "done") reload();
  };
  const look = () => get(`artefacts/${file.id}/builds/`).then((builds) => show(builds, status.isConnected), () => setTimeout(look, LOOK_AGAIN_MS));
  const form = el("form", { class: "stack replace-files", onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    try { show([await post(`artefacts/${file.id}/build/`, { resource: device.value }, { key: newKey() })], true); } catch (problem) { button.disabled = false; status.replaceChildren(el("p", { class: "errors" }, problem.message)); }
  } },
    el("div", { class: "field" }, el("label", { for: device.id }, "For"), device, el("p", { class: "help" }, "The device's site compiles it. What it makes are new versions here, ready to be booked with.")),
    el("div", { class: "actions" }, button), status);
  return el("details", { id: `build-${file.id}`, ontoggle: (event) => { if (event.target.open) look(); } }, el("summary", {}, `Compile ${fileWords(file)}…`), form);
}

/** Return what is in a file, such as the tables of a P4Info. */
function drawFacts({ facts = {} }) {
  const lines = Object.entries(facts).filter(([, names]) => names.length);
  return lines.length > 0 && el("details", {}, el("summary", {}, lines.map(([kind, names]) => `${names.length} ${kind}`).join(", ")),
    el("dl", { class: "facts" }, lines.map(([kind, names]) => [el("dt", {}, kind), el("dd", {}, names.join(", "))])));
}

function drawRow(file, reload) {
  const zone = viewerZone();
  const at = Date.parse(file.created_at);
  return el("tr", {},
    el("td", {}, el("a", { href: `/api/v1/artefacts/${file.id}/content/`, download: file.filename }, file.filename), el("span", { class: "quiet" }, ` version ${file.version}`), drawFacts(file)),
    el("td", {}, slotOf(file)?.title ?? file.name),
    el("td", { class: "number" }, sizeWords(file.size)),
    el("td", {}, file.provenance || `Uploaded by ${file.uploaded_by}`, el("br"), el("time", { class: "quiet", datetime: file.created_at, title: utcWords(at) }, momentWords(zone, at))),
    el("td", {}, el("span", { class: "digest" }, el("code", {}, file.sha256.slice(0, 12)), copyButton(file.sha256, `the digest of ${fileWords(file)}`))),
    el("td", {}, removeButton(file, reload)));
}

function drawUpload(project, reload) {
  return config.adapters.map((adapter) => el("details", { id: `upload-${project.slug}-${adapter.name}` }, el("summary", {}, `Upload for ${adapter.title}…`),
    el("div", { class: "stack replace-files" }, adapter.slots.map((slot) => drawSlot({ slot: { ...slot, required: true }, adapter: adapter.name, projectOf: () => project.slug, uploadOnly: true, prefix: `${project.slug}-`, choose: (file) => { if (file) { toast(`Accepted: ${fileWords(file)}.`); reload(); } } })))));
}

async function drawProject(project) {
  const node = el("section", { class: "block", aria: { label: project.name } });
  const reload = async () => { node.replaceWith(await drawProject(project)); };
  const { results, next } = await get(`artefacts/?${query({ project: project.slug, limit: 200 })}`);
  const sources = results.filter((file) => file.name === adapterOf(file)?.source);
  node.replaceChildren(
    el("div", { class: "block-head" }, el("h2", {}, project.name)),
    el("div", { class: "block-body stack" },
      results.length
        ? el("div", { class: "scroll-x", tabindex: "0", role: "group", aria: { label: `Files of ${project.name}` } }, el("table", {},
          el("thead", {}, el("tr", {}, ["File", "For", "Size", "From", "SHA-256", ""].map((word) => el("th", { scope: "col" }, word)))),
          el("tbody", {}, results.map((file) => drawRow(file, reload)))))
        : el("p", { class: "quiet" }, "No files yet. Upload a program here, or with a booking on the board."),
      next && el("p", { class: "quiet" }, "Older ones are at the programming interface."),
      sources.map((file) => drawBuild(file, reload)),
      drawUpload(project, reload)));
  return node;
}

async function load() {
  if (!config.projects.length) {
    body.replaceChildren(el("div", { class: "block empty" }, el("strong", {}, "You are in no project yet."), el("p", {}, "Files belong to projects. Ask the leader of yours to add you.")));
    return;
  }
  try {
    body.replaceChildren(...await Promise.all(config.projects.map(drawProject)));
  } catch (problem) {
    body.replaceChildren(el("div", { class: "block empty" }, el("strong", {}, "The files could not be loaded."), el("p", {}, problem.message), el("button", { type: "button", class: "button", onclick: load }, "Try again")));
  }
}

load();
onZone(load);
