/** What the states of a lease are called, the same on every page. */

import { _ } from "../portal/words.js";

export const STATE_WORDS = {
  requested: _("asked"),
  scheduled: _("scheduled"),
  provisioning: _("preparing"),
  active: _("active"),
  releasing: _("cleaning"),
  release_failed: _("blocked"),
  released: _("clean"),
  cancelled: _("cancelled"),
  rejected: _("rejected"),
  maintenance: _("maintenance"),
};

export const PHASE_WORDS = {
  asked: _("asked"), scheduled: _("scheduled"), preparing: _("preparing"), active: _("active"), cleaning: _("cleaning"),
  over: _("over"), cancelled: _("cancelled"), rejected: _("rejected"), trouble: _("needs an operator"),
};

/** The lease status whose pattern stands for the phase of a whole reservation. */
export const PHASE_PATTERN = {
  asked: "requested", scheduled: "scheduled", preparing: "provisioning", active: "active", cleaning: "releasing",
  trouble: "release_failed", over: "released", cancelled: "cancelled", rejected: "rejected",
};

const KINDS = {
  gpu: [_("GPU"), _("GPUs")], gpu_slice: [_("GPU slice"), _("GPU slices")], gpu_host: [_("GPU host"), _("GPU hosts")],
  p4_switch: [_("P4 switch"), _("P4 switches")], smart_nic: [_("Smart NIC"), _("Smart NICs")],
};

export function kindWords(kind, number = 2) {
  const plain = kind.replaceAll("_", " ");
  const [one, many] = KINDS[kind] ?? [plain, plain];
  return number === 1 ? one : many;
}

/** Return what a model tells beyond that of the whole which stands above it: of a slice, only its profile. */
export function modelBeside(model, whole) {
  if (!whole || !model.startsWith(whole)) return model;
  return model.slice(whole.length).trim();
}

/** Return `healthy`, `unhealthy`, `unknown` or `out`, and the words for it. */
export function healthOf(resource) {
  if (!resource.in_service) return ["out", _("out of service")];
  if (resource.quarantined) return ["unhealthy", _("quarantined")];
  return [resource.health, { healthy: _("healthy"), unhealthy: _("unhealthy"), unknown: _("not yet observed") }[resource.health] ?? resource.health];
}

/** Return the words for its health with the reason, where there is one. */
export function healthWhy(resource) {
  const [health, words] = healthOf(resource);
  return resource.why && health === "unhealthy" ? `${words}: ${resource.why}` : words;
}
