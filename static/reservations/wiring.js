/** How devices are wired: a picture with a box for each device and a row for each port, and the same as a list. */

import { el } from "../portal/dom.js";

const ROW = 22;
const HEAD = 30;
const GAP = 16;
const PAD = 1;
const WIDEST_BOX = 220;
const LEAST_SPACE = 104;

/** Return a speed for people: `100 Gbit/s`. */
export function speedWords(gbps) {
  if (!gbps) return "";
  return gbps < 1 ? `${Math.round(gbps * 1000)} Mbit/s` : `${gbps} Gbit/s`;
}

/** Return a link in words: `Tofino 1 port 1/0 ↔ Host L40S port eth2, 100 Gbit/s, VLAN 204`. */
export function linkWords(link) {
  const [a, b] = link.ends;
  return [`${a.resource_name} port ${a.port} ↔ ${b.resource_name} port ${b.port}`, speedWords(link.speed_gbps), link.vlan && `VLAN ${link.vlan}`].filter(Boolean).join(", ");
}

function svg(tag, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Put the devices into two columns, so that most cables cross the space between them. */
function columns(links) {
  const devices = new Map();
  for (const { ends } of links) {
    ends.forEach((end, side) => {
      const device = devices.get(end.resource) ?? { id: end.resource, name: end.resource_name, ports: new Map(), peers: new Set() };
      devices.set(end.resource, device);
      device.ports.set(end.port, null);
      device.leadsTo ??= ends[1 - side].port;
      device.peers.add(ends[1 - side].resource);
    });
  }
  const byWeight = [...devices.values()].sort((a, b) => b.peers.size - a.peers.size || a.name.localeCompare(b.name, undefined, { numeric: true }));
  const queue = [];
  for (const root of byWeight) {
    if (root.column !== undefined) continue;
    root.column = 0;
    queue.push(root);
    while (queue.length) {
      const here = queue.shift();
      for (const peer of here.peers) {
        const other = devices.get(peer);
        if (other.column === undefined) { other.column = 1 - here.column; queue.push(other); }
      }
    }
  }
  const sides = [0, 1].map((side) => byWeight.filter((device) => device.column === side));
  const rank = new Map(sides[0].map((device, i) => [device.id, i]));
  const middle = (device) => [...device.peers].reduce((sum, peer) => sum + (rank.get(peer) ?? 0), 0) / device.peers.size;
  const natural = (a, b) => a.localeCompare(b, undefined, { numeric: true });
  sides[1].sort((a, b) => middle(a) - middle(b) || natural(a.leadsTo, b.leadsTo) || natural(a.name, b.name));
  return { devices, sides };
}

/** Give each box its place, and each port its row; ports stand in the order of what they lead to. */
function place(links, { devices, sides }, box, width) {
  const height = (device) => HEAD + device.ports.size * ROW + 4;
  const tall = sides.map((side) => side.reduce((sum, device) => sum + height(device), Math.max(0, side.length - 1) * GAP));
  const total = Math.max(...tall) + 2 * PAD;
  sides.forEach((side, column) => {
    let y = PAD + (Math.max(...tall) - tall[column]) / 2;
    side.forEach((device, i) => {
      Object.assign(device, { x: column ? width - box - PAD : PAD, y, height: height(device), rank: i });
      y += device.height + GAP;
    });
  });
  for (const device of devices.values()) {
    const peerOf = (port) => {
      for (const { ends } of links) {
        const at = ends.findIndex((end) => end.resource === device.id && end.port === port);
        if (at >= 0) return devices.get(ends[1 - at].resource).rank;
      }
      return 0;
    };
    const ports = [...device.ports.keys()].sort((a, b) => peerOf(a) - peerOf(b) || a.localeCompare(b, undefined, { numeric: true }));
    ports.forEach((port, i) => device.ports.set(port, device.y + HEAD + i * ROW + ROW / 2));
  }
  return total;
}

function cut(text, room) {
  const most = Math.max(4, Math.floor(room / 7.2));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function drawBox(device, box) {
  const { x, y, height } = device;
  const right = device.column === 0;
  const group = svg("g", { class: "wiring-device" }, svg("title", {}), svg("rect", { x, y, width: box, height, rx: 4 }));
  group.firstChild.textContent = device.name;
  const name = svg("text", { x: x + 10, y: y + 20, class: "wiring-name" });
  name.textContent = cut(device.name, box - 20);
  group.append(name, svg("line", { x1: x, x2: x + box, y1: y + HEAD, y2: y + HEAD, class: "wiring-rule" }));
  for (const [port, at] of device.ports) {
    const edge = right ? x + box : x;
    const text = svg("text", { x: right ? edge - 12 : edge + 12, y: at + 4, class: "wiring-port", "text-anchor": right ? "end" : "start" });
    text.textContent = cut(port, box - 24);
    group.append(text, svg("circle", { cx: edge, cy: at, r: 4, class: "wiring-plug" }));
  }
  return group;
}

function drawCable(link, devices, box) {
  const points = link.ends.map((end) => {
    const device = devices.get(end.resource);
    return { x: device.column === 0 ? device.x + box : device.x, y: device.ports.get(end.port), out: device.column === 0 ? 1 : -1 };
  });
  const [a, b] = points;
  const bend = a.out === b.out ? 56 : Math.abs(b.x - a.x) / 2;
  const path = svg("path", { class: link.vlan ? "wiring-cable tagged" : "wiring-cable", d: `M${a.x} ${a.y} C${a.x + a.out * bend} ${a.y} ${b.x + b.out * bend} ${b.y} ${b.x} ${b.y}` });
  const room = a.out === b.out ? 2 * bend : Math.abs(b.x - a.x);
  const all = [link.vlan && `VLAN ${link.vlan}`, link.speed_gbps && `${link.speed_gbps}G`].filter(Boolean);
  const words = all.join(" · ").length * 6.4 + 32 < room ? all.join(" · ") : all[0];
  if (!words) return [path];
  const x = (a.x + b.x) / 2 + (a.out === b.out ? a.out * bend * 0.75 : 0);
  const y = (a.y + b.y) / 2;
  const wide = words.length * 6.4 + 8;
  const text = svg("text", { x, y: y + 4, class: "wiring-label", "text-anchor": "middle" });
  text.textContent = words;
  return [path, svg("g", {}, svg("rect", { x: x - wide / 2, y: y - 9, width: wide, height: 18, class: "wiring-behind" }), text)];
}

function picture(links, width) {
  const box = Math.max(88, Math.min(WIDEST_BOX, (width - LEAST_SPACE) / 2));
  const space = Math.min(width, 2 * box + 320);
  const found = columns(links);
  const height = place(links, found, box, space);
  const drawn = links.map((link) => drawCable(link, found.devices, box));
  return svg("svg", { class: "wiring-picture", width: space, height, viewBox: `0 0 ${space} ${height}`, "aria-hidden": "true", focusable: "false" },
    ...drawn.map(([path]) => path), ...[...found.devices.values()].map((device) => drawBox(device, box)), ...drawn.flatMap(([, label]) => label ?? []));
}

/** Return the block that shows how the devices are wired; nothing where no cable is known. */
export function drawWiring(links, { title = "How it is wired", devices = [] } = {}) {
  if (!links?.length) return "";
  const frame = el("div", { class: "wiring-frame" });
  let drawnAt = 0;
  // The text keeps its size at every width, so the picture is laid out anew instead of being shrunk.
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width && width !== drawnAt) { drawnAt = width; frame.replaceChildren(picture(links, width)); }
  }).observe(frame);
  const wired = new Set(links.flatMap(({ ends }) => ends.map((end) => end.resource)));
  const loose = devices.filter((device) => !wired.has(device.resource)).map((device) => device.resource_name);
  return el("section", { class: "block", aria: { label: title } },
    el("div", { class: "block-head" }, el("h2", {}, title)),
    el("div", { class: "block-body wiring" }, frame,
      el("ul", { class: "wiring-list" }, links.map((link) => el("li", {}, linkWords(link)))),
      loose.length > 0 && el("p", { class: "quiet" }, `No cable to the others is known of ${loose.join(", ")}.`)));
}
