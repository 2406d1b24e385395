/** The files of a lease: how their trial went, and better ones while there is time. */

import { newKey, post } from "../portal/api.js";
import { el, icon } from "../portal/dom.js";
import { momentWords, utcWords } from "../portal/time.js";
import { toast } from "../portal/toast.js";
import { drawSlot } from "./slot.js";

function drawSteps(lease, steps) {
  return el("details", { id: `steps-${lease.id}` }, el("summary", {}, `What was tried: ${steps.length} ${steps.length === 1 ? "step" : "steps"}`),
    el("div", { class: "scroll-x", tabindex: "0", role: "group", aria: { label: "Steps" } }, el("table", {},
      el("thead", {}, el("tr", {}, ["Step", "Expected", "Found", "Result"].map((word) => el("th", { scope: "col" }, word)))),
      el("tbody", {}, steps.map((step) => el("tr", {}, el("td", {}, step.name), el("td", {}, step.expected), el("td", { class: "break" }, step.found), el("td", { class: step.passed ? "passed" : "failed" }, step.passed ? "passed" : "failed")))))));
}

function drawRehearsal(lease, zone) {
  const { rehearsal } = lease;
  if (!rehearsal) return "";
  const at = rehearsal.answered_at && el("span", { class: "quiet", title: utcWords(Date.parse(rehearsal.answered_at)) }, `, ${momentWords(zone, Date.parse(rehearsal.answered_at))}`);
  const failed = rehearsal.steps.filter((step) => !step.passed);
  switch (rehearsal.state) {
    case "waiting":
      return el("p", { class: "quiet", role: "status" }, `Waiting for ${lease.site_name} to try these files. You are told if they would fail.`);
    case "passed":
      return el("div", { class: "rehearsal" },
        el("p", { class: "proof-head" }, icon("check"), el("span", {}, `They work on ${rehearsal.stage}`, at)),
        drawSteps(lease, rehearsal.steps));
    case "failed":
      return el("div", { class: "rehearsal" },
        el("div", { class: "note bad", role: "alert" }, icon("warning"), el("div", {},
          el("strong", {}, "The lease would fail with these files"),
          failed.map((step) => el("p", { class: "break" }, `${step.name}: ${step.found}`)),
          el("p", { class: "quiet" }, `Tried on ${rehearsal.stage}`, at, "."))),
        drawSteps(lease, rehearsal.steps));
    default:
      return el("p", { class: "quiet" }, `Not tried before the start. ${rehearsal.detail}`);
  }
}

function drawReplacement(lease, project, done) {
  const chosen = {};
  const problem = el("div", { class: "errors", role: "alert" });
  const submit = el("button", { type: "submit", class: "button primary", disabled: true }, "Use these files");
  const form = el("form", { class: "stack replace-files", onsubmit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    problem.replaceChildren();
    try {
      await post(`leases/${lease.id}/files/`, { artefacts: chosen }, { key: newKey() });
      toast("The lease has other files now. They are being tried.");
      done();
    } catch (refusal) {
      const lines = Object.values(refusal.errors ?? {}).flat();
      problem.replaceChildren(...(lines.length ? lines : [refusal.message]).map((line) => el("p", {}, line)));
      submit.disabled = false;
    }
  } },
    lease.files.map((slot) => drawSlot({ slot, adapter: lease.adapter, projectOf: () => project, note: "keeps its file unless you choose another", choose: (file) => {
      if (file) chosen[slot.name] = file.id; else delete chosen[slot.name];
      submit.disabled = !Object.keys(chosen).length;
    } })),
    problem, el("div", { class: "actions" }, submit));
  for (const input of form.querySelectorAll("input")) input.required = false;
  return el("details", { id: `replace-${lease.id}` }, el("summary", {}, "Give it other files…"), form);
}

/** Return the block of a lease's files; nothing for devices that take none. */
export function drawFiles(lease, { zone, project, done }) {
  const files = lease.files ?? [];
  if (!files.some((file) => file.id) && !lease.can?.replace_files) return "";
  return el("div", { class: "files" }, el("h3", {}, "Files"),
    drawRehearsal(lease, zone),
    el("dl", { class: "facts" }, files.map((file) => [el("dt", {}, file.title), el("dd", {}, file.id
      ? [el("a", { href: `/api/v1/artefacts/${file.id}/content/`, download: file.filename }, file.filename), el("span", { class: "quiet" }, ` version ${file.version}, sha256 ${file.sha256.slice(0, 12)}`)]
      : el("span", { class: "quiet" }, "none"))])),
    lease.can?.replace_files && drawReplacement(lease, project, done));
}
