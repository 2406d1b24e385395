/** The lines of the board: groups within groups, and devices whose parents are open. */

const HEIGHT = { outer: 32, inner: 24, device: 32 };

/** What stands above what, for each way to group. */
const KEYS = {
  site: [(group) => group.site, (group) => group.kind],
  kind: [(group) => group.kind, (group) => group.site],
  model: [(group) => `${group.kind}:${group.model}`.replaceAll(",", " "), (group) => group.site],
};

export const GROUPINGS = Object.keys(KEYS);

/** Return what tells a group apart from all others. */
export const groupKey = ({ site, kind, model }) => [site, kind, model].join("\n");

/** Return the lines with their places on the screen. Rows that are not loaded yet have a line, too, without a row. */
export function lineUp({ groups, rowAt }, { closed, group: by }) {
  const [outerOf, innerOf] = KEYS[by];
  const lines = [];
  let top = 0;
  let outer = null;
  const add = (line) => { line.top = top; line.height = HEIGHT[line.type]; top += line.height; lines.push(line); };
  for (const group of groups) {
    const key = outerOf(group);
    if (outer?.toggle !== key) {
      outer = { type: "outer", kind: by, key: `${by}:${key}`, toggle: key, group, groups: [], open: !closed.has(key), count: 0 };
      add(outer);
    }
    outer.count += group.devices || group.rows;
    outer.groups.push(group);
    if (!outer.open) continue;
    const toggle = `${key}/${innerOf(group)}`;
    const inner = { type: "inner", kind: by === "site" ? "kind" : "site", key: `in:${toggle}`, toggle, group, groups: [group], open: !closed.has(toggle), count: group.devices || group.rows };
    add(inner);
    if (inner.open) addRows(group, { add, rowAt, closed });
  }
  return { lines, height: top };
}

function addRows(group, { add, rowAt, closed }) {
  const shown = new Map();
  const hidden = new Set();
  for (let place = group.first; place < group.first + group.rows; place += 1) {
    const row = rowAt(place);
    if (!row) { add({ type: "device", key: `at:${place}`, place, row: null }); continue; }
    if (row.parent && (hidden.has(row.parent) || closed.has(row.parent))) { hidden.add(row.id); continue; }
    // A filter may show parts without their whole; then they stand for themselves.
    const whole = shown.get(row.parent);
    const line = { type: "device", key: row.id, place, row, above: whole?.row, depth: whole ? whole.depth + 1 : 0, toggle: null, open: !closed.has(row.id) };
    shown.set(row.id, line);
    if (whole) whole.toggle = whole.row.id;
    // The parts of a closed whole are not among the lines; closed it can only be because it has some.
    else if (closed.has(row.id)) line.toggle = row.id;
    add(line);
  }
}

/** Return the index of the line at a height. */
export function indexAt(lines, y) {
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lines[middle].top <= y) low = middle; else high = middle - 1;
  }
  return Math.max(low, 0);
}
