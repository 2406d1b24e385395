/** What the states of a lease are called, the same on every page. */

export const STATE_WORDS = {
  requested: "asked",
  scheduled: "scheduled",
  provisioning: "preparing",
  active: "active",
  releasing: "cleaning",
  release_failed: "blocked",
  released: "clean",
  cancelled: "cancelled",
  rejected: "rejected",
  maintenance: "maintenance",
};

export const PHASE_WORDS = {
  asked: "asked", scheduled: "scheduled", preparing: "preparing", active: "active", cleaning: "cleaning",
  over: "over", cancelled: "cancelled", rejected: "rejected", trouble: "needs an operator",
};

/** The lease status whose pattern stands for the phase of a whole reservation. */
export const PHASE_PATTERN = {
  asked: "requested", scheduled: "scheduled", preparing: "provisioning", active: "active", cleaning: "releasing",
  trouble: "release_failed", over: "released", cancelled: "cancelled", rejected: "rejected",
};

const KINDS = {
  gpu: ["GPU", "GPUs"], gpu_slice: ["GPU slice", "GPU slices"], gpu_host: ["GPU host", "GPU hosts"],
  p4_switch: ["P4 switch", "P4 switches"], smart_nic: ["Smart NIC", "Smart NICs"],
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
  if (!resource.in_service) return ["out", "out of service"];
  if (resource.quarantined) return ["unhealthy", "quarantined"];
  return [resource.health, { healthy: "healthy", unhealthy: "unhealthy", unknown: "not yet observed" }[resource.health] ?? resource.health];
}

/** Return the words for its health with the reason, where there is one. */
export function healthWhy(resource) {
  const [, words] = healthOf(resource);
  return resource.why && ["quarantined", "unhealthy"].includes(words) ? `${words}: ${resource.why}` : words;
}
