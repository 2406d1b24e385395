/** The calls of the board to the portal's REST interface. */

import { call, get, newKey, post, query, remove } from "../../portal/api.js";
import { iso } from "../../portal/time.js";

/** So many rows are asked for at once: two screens of a large display. */
export const PAGE = 60;

const sectionOf = ({ from, to, ...filters }) => ({ from: iso(from), to: iso(to), ...filters });

/** Return one page of rows with their entries, and where all groups stand. */
export async function fetchCalendar({ offset, signal, ...section }) {
  const answer = await get(`calendar/?${query({ ...sectionOf(section), offset: String(offset), limit: PAGE })}`, { signal });
  for (const entry of answer.entries) {
    for (const name of ["starts_at", "ends_at", "occupied_from", "occupied_to"]) entry[name] = Date.parse(entry[name]);
  }
  return answer;
}

/** Return how many devices of each group are free, step by step. */
export const fetchFree = ({ step, signal, ...section }) => get(`calendar/free/?${query({ ...sectionOf(section), step_s: step / 1000 })}`, { signal });

const kept = new Map();
function once(path) {
  if (!kept.has(path)) kept.set(path, get(path).catch((error) => { kept.delete(path); throw error; }));
  return kept.get(path);
}
const listed = (answer) => answer.results ?? answer;

export const fetchSites = () => once("sites/").then(listed);
export const fetchAdapters = () => once("adapters/").then(listed);
export const fetchResource = (id) => once(`resources/${id}/`);
export const fetchReservation = (id) => get(`reservations/${id}/`);

export const checkBooking = (ask, signal) => call("reservations/check/", { method: "POST", body: ask, signal });
export const createReservation = (ask, key) => post("reservations/", ask, { key });
export const findSlots = (ask) => post("find-slot/", ask);
export const act = (id, verb, body = {}) => post(`reservations/${id}/${verb}/`, body, { key: newKey() });
export const moveReservation = (id, from, to) => act(id, "move", { starts_at: iso(from), ends_at: iso(to) });

export const holdDevices = (ask) => post("holds/", ask);
export const renewHold = (id) => post(`holds/${id}/renew/`);
export const dropHold = (id) => remove(`holds/${id}/`);
