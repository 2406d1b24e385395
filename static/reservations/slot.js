/** One file that a device takes: picked from those of the project, or uploaded, and checked at once. */

import { call, get, query } from "../portal/api.js";
import { el } from "../portal/dom.js";

const KIB = 1024;

/** Return “9.2 KiB”, “32 MiB”. */
export function sizeWords(bytes) {
  if (bytes < KIB) return `${bytes} bytes`;
  return bytes < KIB * KIB ? `${Number((bytes / KIB).toFixed(1))} KiB` : `${Number((bytes / KIB / KIB).toFixed(1))} MiB`;
}

export function uploadArtefact({ project, adapter, name, file }) {
  const form = new FormData();
  for (const [key, value] of Object.entries({ project, adapter, name, file })) form.append(key, value);
  return call("artefacts/", { method: "POST", form });
}

/** Return “forward.json, version 2”. */
export const fileWords = (file) => `${file.filename}, version ${file.version}`;

/** Return the form's field for a slot; `choose(file or null)` hears of each choice that the portal accepted. */
export function drawSlot({ slot, adapter, projectOf, choose, note = "", prefix = "", uploadOnly = false }) {
  const id = `file-${prefix}${adapter}-${slot.name}`;
  const status = el("p", { class: "help", role: "status" }, slot.help || `Up to ${sizeWords(slot.max_bytes)}.`);
  const known = new Map();
  const pick = el("select", { id: `${id}-known`, aria: { label: `${slot.title} of the project` }, onchange: () => {
    input.value = "";
    input.removeAttribute("aria-invalid");
    const file = known.get(pick.value) ?? null;
    status.className = "help";
    status.textContent = file ? `${file.provenance || `Uploaded by ${file.uploaded_by}`}; ${sizeWords(file.size)}, sha256 ${file.sha256.slice(0, 12)}` : "";
    choose(file);
  } });
  const input = el("input", { type: "file", id, required: slot.required, onchange: async () => {
    const file = input.files[0];
    pick.value = "";
    input.removeAttribute("aria-invalid");
    choose(null);
    if (!file) return;
    status.className = "help";
    status.textContent = `Checking ${file.name}…`;
    try {
      if (file.size > slot.max_bytes) throw new Error(`${file.name} is larger than the ${sizeWords(slot.max_bytes)} allowed.`);
      const kept = await uploadArtefact({ project: projectOf(), adapter, name: slot.name, file });
      status.textContent = `Accepted: ${fileWords(kept)}, ${sizeWords(kept.size)}, sha256 ${kept.sha256.slice(0, 12)}`;
      choose(kept);
    } catch (problem) {
      status.className = "errors";
      input.setAttribute("aria-invalid", "true");
      status.textContent = [problem.message, ...Object.values(problem.errors ?? {}).flat()].filter((words, i, all) => all.indexOf(words) === i).join(" ");
    }
  } });
  const place = el("span", { hidden: true });
  if (!uploadOnly) get(`artefacts/?${query({ project: projectOf(), adapter, name: slot.name })}`).then(({ results }) => {
    if (!results.length) return;
    for (const file of results) known.set(file.id, file);
    pick.replaceChildren(el("option", { value: "" }, "Choose a file of the project…"), ...results.map((file) => el("option", { value: file.id }, fileWords(file))));
    place.replaceWith(pick);
  }, () => { /* the file can still be uploaded */ });
  return el("div", { class: "field" }, el("label", { for: id }, slot.title, slot.required === false ? " (optional)" : "", note && el("span", { class: "quiet" }, ` ${note}`)), place, input, status);
}
