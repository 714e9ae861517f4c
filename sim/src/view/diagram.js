// The diagram: one row for each event that the filters leave, and only those that are in sight are drawn.
const ROW = 22, LIST = () => parseInt(getComputedStyle(document.documentElement).getPropertyValue("--list"), 10);
const byId = (id) => document.getElementById(id);
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}
function draw(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const state = { rows: [], place: new Map(), chosen: undefined, kin: new Set(), hidden: new Set(), kinds: new Set(KINDS.map(([kind]) => kind)), words: [] };
// Where many nodes do nothing, their lanes begin folded.
if (world.nodes.length > 10) world.nodes.forEach((_, node) => { if (!busy.has(node)) state.hidden.add(node); });

const diagram = byId("diagram"), sheet = byId("sheet"), rows = byId("rows"), drawing = byId("drawing"), head = byId("head"), overview = byId("overview");
let layout = { x: [], width: 0, folds: [] }, arrows = [], buckets = [];
const BUCKET = 32;

function isLeft(event) {
  if (event.what === "violated" || event.what === "phase") return state.words.every((word) => matches(event, word));
  if (!state.kinds.has(event.kind)) return false;
  const ends = [event.node, event.to, event.link === undefined ? undefined : fromOf(event)].filter((node) => node !== undefined);
  return !ends.every((node) => state.hidden.has(node)) && state.words.every((word) => matches(event, word));
}
function matches(event, word) {
  if (event.text.toLowerCase().includes(word) || event.requirement?.toLowerCase() === word || word === `#${event.n}`) return true;
  if (event.requirement && (world.requirements[event.requirement] ?? "").toLowerCase().includes(word)) return true;
  return /^[0-9a-f]{6,}$/.test(word) && (bytesOf(event)?.hex.includes(word) ?? false);
}

// What is left by the filters, and the arrows between its rows.
function filter() {
  state.rows = events.filter(isLeft);
  state.place = new Map(state.rows.map((event, row) => [event.n, row]));
  arrows = [];
  for (const [row, event] of state.rows.entries()) {
    if (event.what !== "sent") continue;
    const came = event.after.map(eventOf).filter((next) => (next.what === "arrived" || next.what === "lost") && state.place.has(next.n));
    for (const next of came) arrows.push({ sent: event, next, from: row, to: state.place.get(next.n) });
    if (!came.length) arrows.push({ sent: event, from: row, to: row });
  }
  for (const [row, event] of state.rows.entries()) {
    // What was sent is out of sight, or opened the connection: the arrival alone.
    const sent = sentOf.get(event.frame);
    if (event.what === "arrived" && !state.place.has(sent?.n)) arrows.push({ sent: sent ?? event, next: event, from: row, to: row });
  }
  buckets = Array.from({ length: Math.ceil(state.rows.length / BUCKET) }, () => []);
  for (const arrow of arrows) for (let b = Math.floor(arrow.from / BUCKET); b <= Math.floor(arrow.to / BUCKET); b += 1) buckets[b].push(arrow);
  sheet.style.height = `${state.rows.length * ROW + 40}px`;
  byId("empty").hidden = state.rows.length > 0;
  const all = events.length.toLocaleString("en");
  byId("count").textContent = state.rows.length === events.length ? `${all} events` : `${state.rows.length.toLocaleString("en")} of ${all} events`;
  paintOverview();
  paint(true);
}

// Where the lanes are: those that are folded share a narrow strip with their neighbours.
function arrange() {
  const isFolded = (lane) => lane.nodes.every((node) => state.hidden.has(node));
  const groups = [];
  lanes.forEach((lane, number) => {
    const last = groups.at(-1);
    if (isFolded(lane) && last?.folded) last.lanes.push(number);
    else groups.push({ folded: isFolded(lane), lanes: [number] });
  });
  const open = groups.filter((group) => !group.folded).length;
  const room = diagram.clientWidth - LIST() - (groups.length - open) * 26 - 24;
  const width = Math.max(48, Math.min(180, Math.floor(room / Math.max(1, open))));
  layout = { x: [], folds: [], width: 0 };
  let x = LIST() + 12;
  head.replaceChildren(make("div", { class: "corner" }, make("span", {}, "time, ms"), "what"));
  for (const group of groups) {
    const wide = group.folded ? 26 : width;
    for (const number of group.lanes) layout.x[number] = x + wide / 2;
    if (group.folded) {
      layout.folds.push([x + 3, wide - 6]);
      const names = group.lanes.map((number) => lanes[number].name).filter(Boolean);
      head.append(make("button", { type: "button", class: "fold", style: `left:${x}px;width:${wide}px`, title: `Unfold ${names.join(", ")}`, onclick: () => { group.lanes.forEach((number) => lanes[number].nodes.forEach((node) => state.hidden.delete(node))); refold(); } }, `+${names.length || 1}`));
    } else {
      const lane = lanes[group.lanes[0]], adversary = world.adversaries[lane.adversary];
      const watcher = world.adversaries.find((other) => other.class === "archivist" && other.node !== undefined && other.node === lane.node);
      const label = lane.name || "⚑";
      const title = adversary ? `${adversary.name}: ${adversary.about}` : lane.name;
      const fold = () => { lane.nodes.forEach((node) => state.hidden.add(node)); refold(); };
      head.append(make("button", { type: "button", class: `${adversary ? "hostile" : ""}${width < 84 ? " narrow" : ""}`, style: `left:${x}px;width:${wide}px`, title: `${title} Fold this lane.`, onclick: fold },
        make("span", {}, label), adversary && make("small", {}, lane.name ? `⚑ ${adversary.class}` : adversary.class), !adversary && watcher && make("small", {}, "watched")));
    }
    x += wide;
  }
  layout.width = x + 12;
  head.style.width = sheet.style.width = `${Math.max(layout.width, diagram.clientWidth)}px`;
}

const tip = (x, y, fromX, fromY, style) => {
  const angle = Math.atan2(y - fromY, x - fromX) * 180 / Math.PI;
  return draw("path", { d: "M0 0L-8 -3.6L-8 3.6Z", class: `tip ${style}`, transform: `translate(${x} ${y}) rotate(${angle})` });
};
const cross = (x, y, style) => draw("path", { d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`, class: `cross ${style}` });
const dull = (event) => state.kin.size > 1 && !state.kin.has(event.n) ? " dim" : "";

// A word beside a mark: on its left where there is no room on its right.
function word(into, x, y, text, style) {
  const isLast = x + 12 + text.length * 6.5 > Math.max(layout.width, diagram.clientWidth);
  into.append(draw("text", { x: x + (isLast ? -9 : 9), y: y + 4, "text-anchor": isLast ? "end" : "start", class: style }, text));
}

function labelOf(event) {
  const cargo = cargoOf(event);
  if (!cargo) return "";
  return "123".includes(cargo.kind) ? `hs ${cargo.kind}` : cargo.kind === "channel" ? `${cargo.nonce}` : "";
}

function paintArrow(into, { sent, next, from, to }) {
  const y = (row) => row * ROW + ROW / 2;
  const [x1, x2] = [layout.x[originOf(sent)], layout.x[laneOfNode[sent.to]]];
  const shown = next ?? sent, style = shown.style.replace("lost", "") + dull(shown);
  const isPiece = next?.what === "arrived" && next.bytes !== undefined && world.bytes[next.bytes].hex.length < bytesOf(sent).hex.length;
  const classes = `arrow ${style}${shown.intent ? " changed" : ""}${isPiece ? " piece" : ""}${state.kin.has(shown.n) && state.kin.size > 1 ? " kin" : ""}`;
  const lost = next?.what === "lost";
  const part = lost ? 0.55 : next ? 1 : 0.4;
  const [ex, ey] = [x1 + (x2 - x1) * part, y(to)];
  into.append(draw("path", { d: `M${x1} ${y(from)}L${ex} ${ey}`, class: classes }));
  if (lost) into.append(cross(ex, ey, style));
  else if (next) into.append(tip(ex, ey, x1, y(from), style));
  else into.append(draw("circle", { cx: ex, cy: ey, r: 2.5, class: `ring ${style}` }));
  const label = labelOf(sent);
  if (label && from !== to) into.append(draw("text", { x: x1 + (x2 > x1 ? 7 : -7), y: y(from) - 3, "text-anchor": x2 > x1 ? "start" : "end", class: style }, label));
}

function paintMark(into, event, row) {
  const y = row * ROW + ROW / 2, x = layout.x[seatOf(event)], style = event.style + dull(event);
  switch (event.what) {
    case "sent": into.append(draw("circle", { cx: layout.x[originOf(event)], cy: y, r: 2.2, class: `dot ${style}` })); break;
    case "delivered": into.append(draw("circle", { cx: x, cy: y, r: 5, class: `dot ${style}` })); break;
    case "asked": into.append(draw("circle", { cx: x, cy: y, r: 4.4, class: `ring ${style}` })); break;
    case "event":
      into.append(draw("rect", { x: x - 4.2, y: y - 4.2, width: 8.4, height: 8.4, class: `${event.told === "opened" || event.told === "session up" ? "dot" : "ring"} ${style}`, transform: event.requirement ? `rotate(45 ${x} ${y})` : "" }));
      if (event.requirement) word(into, x, y, event.requirement, style);
      else if (event.told) word(into, x, y, event.told.replace("opened", "open"), style);
      break;
    case "injected": case "swallowed": {
      if (event.what === "swallowed") {
        const from = layout.x[laneOfNode[fromOf(event)]];
        if (Math.abs(from - x) > 4) into.append(draw("path", { d: `M${from} ${y}L${x} ${y}`, class: `arrow changed ${style}` }));
        into.append(draw("circle", { cx: x, cy: y, r: 6, class: `ring ${style}` }), draw("path", { d: `M${x - 4} ${y + 4}l8 -8`, class: `cross ${style}` }));
      } else into.append(draw("path", { d: `M${x} ${y - 6}l6 6l-6 6l-6 -6z`, class: `dot ${style}` }));
      const deed = world.deeds[event.deed];
      if (deed) word(into, x, y, deed.can, style);
      break;
    }
    case "connection": {
      const [one, other] = [layout.x[laneOfNode[fromOf(event)]], layout.x[laneOfNode[event.to]]];
      into.append(draw("path", { d: `M${one} ${y}L${other} ${y}`, class: `arrow ${style}`, "stroke-dasharray": event.text.endsWith("down") ? "1 4" : "8 2" }));
      break;
    }
    case "fault": into.append(draw("path", { d: `M${x} ${y - 6}l6 11h-12z`, class: `dot ${style}` })); break;
    case "violated": into.append(draw("circle", { cx: x, cy: y, r: 8, class: `dot ${style}` }), draw("path", { d: `M${x - 3.5} ${y - 3.5}l7 7m0 -7l-7 7`, stroke: "#fff", "stroke-width": 2 })); break;
  }
}

let drawn = "";
function paint(anew = false) {
  const top = Math.max(0, Math.floor(diagram.scrollTop / ROW) - 6);
  const bottom = Math.min(state.rows.length, Math.ceil((diagram.scrollTop + diagram.clientHeight) / ROW) + 6);
  if (!anew && drawn === `${top} ${bottom}`) return;
  drawn = `${top} ${bottom}`;
  drawing.setAttribute("width", layout.width);
  drawing.setAttribute("height", state.rows.length * ROW + 40);
  const picture = document.createDocumentFragment();
  const [y1, y2] = [top * ROW, bottom * ROW + 20];
  for (const [x, width] of layout.folds) picture.append(draw("rect", { x, y: y1, width, height: y2 - y1, class: "folded" }));
  const folded = (lane) => lane.nodes.every((node) => state.hidden.has(node));
  lanes.forEach((lane, number) => { if (!folded(lane)) picture.append(draw("line", { x1: layout.x[number], x2: layout.x[number], y1, y2, class: `lane${lane.adversary === undefined ? "" : " hostile"}` })); });
  const seen = new Set();
  for (let b = Math.floor(top / BUCKET); b <= Math.floor(Math.max(top, bottom - 1) / BUCKET) && b < buckets.length; b += 1) {
    for (const arrow of buckets[b]) if (!seen.has(arrow) && arrow.from <= bottom && arrow.to >= top) { seen.add(arrow); paintArrow(picture, arrow); }
  }
  const list = document.createDocumentFragment();
  for (let row = top; row < bottom; row += 1) {
    const event = state.rows[row];
    paintMark(picture, event, row);
    const chosen = event.n === state.chosen;
    const classes = ["row", event.kind === "violated" && "wrong", event.what === "phase" && "phase", state.kin.size > 1 && state.kin.has(event.n) && "kin", chosen && "chosen"];
    list.append(make("div", { id: `e${event.n}`, class: classes.filter(Boolean).join(" "), role: "option", "aria-selected": chosen ? "true" : "false", "aria-setsize": state.rows.length, "aria-posinset": row + 1, style: `top:${row * ROW}px`, "data-n": event.n },
      make("div", { class: "words", title: event.text }, make("time", {}, millis(event.at)), make("i", { class: event.style }), make("span", { class: "text" }, event.text))));
  }
  drawing.replaceChildren(picture);
  rows.replaceChildren(list);
  paintWindow();
}

// The strip beside the diagram: where attacks, refusals, faults and violations are, and what is in sight.
let strip;
function paintOverview() {
  const height = overview.height = Math.max(1, overview.clientHeight), context = overview.getContext("2d", { willReadFrequently: true });
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const marks = [["attack", "--tampered", 0], ["refused", "--forged", 4], ["world", "--fault", 8], ["violated", "--forged", 0]];
  context.clearRect(0, 0, 14, height);
  for (const [kind, name, x] of marks) {
    context.fillStyle = colour(name);
    state.rows.forEach((event, row) => {
      if (event.kind === kind || (kind === "refused" && event.requirement) || (kind === "attack" && event.deed !== undefined)) context.fillRect(kind === "violated" ? 0 : x, row / state.rows.length * height, kind === "violated" ? 14 : 4, kind === "violated" ? 4 : 1);
    });
  }
  strip = context.getImageData(0, 0, 14, height);
}
function paintWindow() {
  const context = overview.getContext("2d", { willReadFrequently: true }), height = overview.height, whole = Math.max(1, state.rows.length * ROW);
  if (strip) context.putImageData(strip, 0, 0);
  context.fillStyle = "rgba(120, 130, 145, .35)";
  context.fillRect(0, diagram.scrollTop / whole * height, 14, Math.max(6, diagram.clientHeight / whole * height));
}
function dragOverview(event) {
  if (!(event.buttons & 1)) return;
  diagram.scrollTop = event.offsetY / overview.clientHeight * state.rows.length * ROW - diagram.clientHeight / 2;
}

function refold() {
  arrange();
  filter();
  byId("lane-list").querySelectorAll("input").forEach((box, node) => { box.checked = !state.hidden.has(node); });
}

// Chooses an event and brings it into sight.
function choose(n, centre = false) {
  if (n === undefined) return;
  state.chosen = n;
  state.kin = kin(eventOf(n));
  const row = state.place.get(n);
  if (row !== undefined) {
    const room = diagram.clientHeight - head.offsetHeight, y = row * ROW;
    const hidden = y < diagram.scrollTop + ROW || y > diagram.scrollTop + room - 2 * ROW;
    if (centre || hidden) diagram.scrollTop = Math.max(0, y - room / 2);
    const wanted = layout.x[seatOf(eventOf(n))], left = diagram.scrollLeft + LIST(), right = diagram.scrollLeft + diagram.clientWidth;
    if (wanted < left + 20 || wanted > right - 40) diagram.scrollLeft = Math.max(0, wanted - LIST() - (diagram.clientWidth - LIST()) / 2);
  }
  paint(true);
  diagram.setAttribute("aria-activedescendant", `e${n}`);
  history.replaceState(undefined, "", `#${n}`);
  tellEvent(eventOf(n));
  tellKnowledge(eventOf(n));
}
