/** The calls of the board to the portal's REST interface. */

import { call, get, newKey, post, query } from "../../portal/api.js";
import { iso } from "../../portal/time.js";

export const PAGE = 200;

/** Return one page of rows with their entries, and the text it came as, to tell whether anything changed. */
export async function fetchCalendar({ from, to, site, kind, search, offset, signal }) {
  const answer = await get(`calendar/?${query({ from: iso(from), to: iso(to), site, kind, search, offset: String(offset), limit: PAGE })}`, { signal });
  for (const entry of answer.entries) {
    for (const name of ["starts_at", "ends_at", "occupied_from", "occupied_to"]) entry[name] = Date.parse(entry[name]);
  }
  return answer;
}

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
