// The panels, the controls and the keys.
const fill = (id, ...children) => byId(id).replaceChildren(...children.filter((child) => child !== undefined && child !== false));
const time = (event) => make("time", {}, millis(event.at));

function copyButton(text) {
  const button = make("button", { type: "button", onclick: () => navigator.clipboard?.writeText(text).then(() => { button.textContent = "copied"; }) }, "copy");
  return button;
}
const command = (text) => make("div", { class: "copy" }, make("code", {}, text), copyButton(text));

function chain(title, list, current) {
  if (!list.length) return undefined;
  const items = list.map((event) => make("li", {}, make("button", { type: "button", "aria-current": event.n === current ? "true" : undefined, onclick: () => choose(event.n) },
    time(event), make("i", { class: event.style }), make("span", {}, event.text))));
  return make("div", {}, make("h3", {}, title), make("ol", { class: "chain" }, ...items));
}

// Which bytes two frames do not share, seen from the second one.
function changes(before, after) {
  const [one, two] = [before.hex, after.hex];
  const changed = new Set();
  if (one.length === two.length) {
    for (let i = 0; i < two.length; i += 2) if (one.slice(i, i + 2) !== two.slice(i, i + 2)) changed.add(i / 2);
    return changed;
  }
  let [start, end] = [0, 0];
  while (start < Math.min(one.length, two.length) && one.slice(start, start + 2) === two.slice(start, start + 2)) start += 2;
  while (end < Math.min(one.length, two.length) - start && one.slice(one.length - end - 2, one.length - end) === two.slice(two.length - end - 2, two.length - end)) end += 2;
  for (let i = start; i < two.length - end; i += 2) changed.add(i / 2);
  return changed;
}

// Bytes in hex with their characters; the fields beside them light up what they cover.
function hexDump(bytes, changed = new Set()) {
  const MOST = 1024, cells = [], wide = byId("panel-event").parentElement.clientWidth > 520 ? 16 : 8;
  const pre = make("pre", { class: "hex", tabindex: "0", role: "group", "aria-label": "bytes in hex" });
  const show = (most) => {
    pre.replaceChildren();
    const length = bytes.hex.length / 2;
    for (let line = 0; line < Math.min(length, most); line += wide) {
      pre.append(make("span", { class: "off" }, `${line.toString().padStart(5)}  `));
      let text = "";
      for (let i = line; i < line + wide; i += 1) {
        if (i >= length) { pre.append("   "); continue; }
        const pair = bytes.hex.slice(2 * i, 2 * i + 2), code = parseInt(pair, 16);
        cells[i] = make("b", { class: changed.has(i) ? "changed" : undefined }, pair);
        pre.append(cells[i], i % 8 === 7 ? "  " : " ");
        text += code > 31 && code < 127 ? String.fromCharCode(code) : "·";
      }
      pre.append(make("span", { class: "asc" }, text), "\n");
    }
    if (length > most) pre.append(make("button", { type: "button", onclick: () => show(length) }, `all ${length} bytes`));
  };
  show(MOST);
  const light = (at, length) => cells.forEach((cell, i) => cell.classList.toggle("lit", i >= at && i < at + length));
  return { pre, light };
}

function message(bytes, title, changed) {
  const { pre, light } = hexDump(bytes, changed);
  const lines = bytes.fields?.map((field) => {
    const touched = changed && [...changed].some((at) => at >= field.at && at < field.at + field.len);
    const off = () => light(0, 0), on = () => light(field.at, field.len);
    return make("tr", { tabindex: "0", class: touched ? "changed" : undefined, onmouseenter: on, onfocus: on, onmouseleave: off, onblur: off },
      make("td", {}, `${field.at}`), make("td", {}, `${field.len}`), make("td", { style: `padding-left:${5 + 14 * field.depth}px` }, field.name), make("td", { class: "value" }, field.value ?? ""));
  });
  const table = lines && make("table", { class: "fields" }, make("thead", {}, make("tr", {}, ...["at", "bytes", "field", "value"].map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...lines));
  return make("div", {}, make("h3", {}, `${title}, ${bytes.hex.length / 2} bytes`), table, pre);
}

function ruleOf(id) {
  return make("div", { class: "rule" }, make("strong", {}, id), " ", world.requirements[id] ?? "");
}

function inside(bytes) {
  if (!bytes || bytes.kind !== "channel") return undefined;
  const note = bytes.message === undefined ? undefined : world.messages[bytes.message];
  if (!note) return make("p", { class: "more" }, "Which application's message is in it, if any, is not known: control messages, pings and forgeries look the same.");
  const plain = world.bytes[note.bytes];
  return make("div", { class: "inside" }, make("strong", {}, `Inside: ${note.name}`), make("br"), `${note.from} says it to ${note.to}, ${plain.hex.length / 2} bytes:`, hexDump(plain).pre);
}

const PURPOSES = {
  1: "message 1 of a handshake: the initiator's ephemeral key, in the clear",
  2: "message 2 of a handshake: the responder's keys and papers",
  3: "message 3 of a handshake: the initiator's static key and papers",
  channel: "message of a secure channel: a nonce in the clear, the rest encrypted",
  other: "frame whose payload is neither a handshake's nor a channel's",
  broken: "bytes that are no frame",
  plain: "text of an application",
};

const INTENTS = {
  tampered: "Something that no key protects was changed, or it comes at another time: its receiver may act on it as far as its rules go.",
  forged: "No holder of keys made this: its receiver's trusted state must not change.",
  futile: "This leads nowhere: its receiver drops it, and does nothing else.",
  broken: "This is no frame: its receiver closes the connection.",
};

// What an adversary knew, in a line.
function gist(adversary, event) {
  const known = knowledge(adversary, event);
  const counted = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;
  const parts = [counted(known.passed, "frame"), counted(known.listeners.size, "listener"), counted(known.channels.size, "channel direction")];
  if (known.keys.length) parts.push(`keys of ${counted(known.keys.length, "channel")}`);
  if (known.texts.length) parts.push(counted(known.texts.length, "text"));
  return `${world.adversaries[adversary].name}: ${parts.join(", ")}${known.fresh ? "; learns something here" : ""}`;
}

function tellEvent(event) {
  const bytes = bytesOf(event), deed = event.deed === undefined ? undefined : world.deeds[event.deed];
  const history = [];
  for (let at = event; at; at = at.cause ? eventOf(at.cause) : undefined) history.unshift(at);
  const before = deed?.bytes === undefined ? undefined : world.bytes[deed.bytes];
  const made = event.what === "injected" && before;
  const behind = bytes ? undefined : history.findLast((other) => ["sent", "arrived", "injected"].includes(other.what) && bytesOf(other));
  const changed = made ? changes(before, bytes) : undefined;
  const sent = event.what === "arrived" ? sentOf.get(event.frame) : undefined;
  const damaged = sent && event.bytes !== undefined && bytes.hex.length === bytesOf(sent).hex.length;
  const isPiece = sent && event.bytes !== undefined && !damaged;
  fill("panel-event",
    make("p", { class: "where" }, `event ${event.n} of ${events.length} · ${millis(event.at)} ms${event.frame ? ` · frame ${event.frame}` : ""}`),
    make("h2", {}, event.text),
    event.intent && make("p", {}, make("span", { class: `badge ${event.style}`, style: "color:var(--hue)" }, event.intent), ` ${INTENTS[event.intent]}`),
    event.requirement && ruleOf(event.requirement),
    deed && make("div", { class: "deed" }, make("strong", {}, `${world.adversaries[deed.adversary].name}: ${deed.can}`), make("br"), deed.about, make("br"), `Why now: ${deed.why}.`, deed.target !== undefined && ` Its target: ${world.nodes[deed.target].name}.`),
    history.length > 1 && chain("How it came about", history, event.n),
    chain("What came of it", event.after.map(eventOf).slice(0, 20)),
    event.after.length > 20 && make("p", { class: "more" }, `and ${event.after.length - 20} more`),
    bytes && bytes.kind !== "plain" && make("h3", {}, "Decoded"),
    bytes && make("p", {}, PURPOSES[isPiece ? "broken" : bytes.kind]?.replace(/^./, (first) => first.toUpperCase()).replace("Bytes that are no frame", isPiece ? "A piece of a frame: a stream is cut anywhere" : "Bytes that are no frame"), "."),
    inside(isPiece ? cargoOf(event) : bytes),
    bytes && message(bytes, isPiece ? "This piece" : bytes.kind === "plain" ? "Text" : made ? "The frame as it goes on" : event.what === "swallowed" ? "The frame that went no further" : "The frame", damaged ? changes(bytesOf(sent), bytes) : changed),
    isPiece && message(bytesOf(sent), "The whole frame"),
    made && make("details", {}, make("summary", {}, "The frame as it came"), message(before, "Before", changes(bytes, before))),
    behind && message(bytesOf(behind), "The frame behind it"),
    behind && inside(bytesOf(behind)),
    bytes && bytes.kind !== "plain" && !isPiece && make("div", {}, make("h3", {}, "Every field, by the command"), command(`razor decode --as tcp-frame ${bytes.hex}`)),
    world.adversaries.length > 0 && make("div", {}, make("h3", {}, "What attackers knew by then"), ...world.adversaries.map((_, number) => make("button", { type: "button", class: "knew", onclick: () => { pick(byId("tab-knowledge")); byId("tab-knowledge").focus(); } }, gist(number, event)))),
  );
}

function listOf(title, items) {
  if (!items.length) return undefined;
  const MOST = 12, list = make("ul", {}, ...items.slice(-MOST).map((item) => make("li", {}, item)));
  return make("div", {}, make("h4", {}, `${title}: ${items.length}`), list, items.length > MOST && make("p", { class: "more" }, `and ${items.length - MOST} older`));
}
const marked = (fresh, ...text) => (fresh ? make("span", { class: "new" }, ...text) : make("span", {}, ...text));

function tellKnowledge(event) {
  const retired = events.find((other) => other.what === "phase" && other.n > 1);
  const knowers = world.adversaries.map((adversary, number) => {
    const known = knowledge(number, event), deed = event.deed === undefined ? undefined : world.deeds[event.deed];
    const acts = deed?.adversary === number, kept = Math.min(known.passed, 512);
    const news = [acts && `acts: ${deed.can}`, known.fresh && "learns"].filter(Boolean).join(", ");
    const frames = Object.entries(known.frames).map(([kind, count]) => `${count} ${kind}`).join(", ");
    return make("details", { class: "knower", open: acts || known.fresh > 0 || world.adversaries.length < 3 },
      make("summary", {}, adversary.name, news && make("span", { class: "new" }, ` ${news} `)),
      make("div", {},
        make("p", {}, adversary.about),
        acts && make("div", { class: "deed" }, make("strong", {}, `Uses here: ${deed.can}`), `. ${deed.about} Why now: ${deed.why}.`),
        listOf("Has from the beginning", adversary.holds),
        make("h4", {}, `Frames that passed it: ${known.passed}`),
        known.passed > 0 && make("p", {}, marked(known.newFrame, `${kept} kept`), known.displaced ? ` (${known.displaced} made room for newer ones)` : "", `: ${frames}`),
        listOf("Listeners that it can address", [...known.listeners.values()].map((lesson) => marked(lesson.fresh, "toward ", world.nodes[lesson.to].name, " by ", make("code", {}, lesson.route)))),
        listOf("Channels that it can attack", [...known.channels.values()].map((lesson) => marked(lesson.fresh || lesson.moved, "toward ", world.nodes[lesson.to].name, " by ", make("code", {}, lesson.route), `, nonces to ${lesson.nonce}`))),
        listOf("Channels of its own: it has their keys", known.keys.map((lesson) => marked(lesson.fresh, "with ", lesson.peer))),
        listOf("Texts that were said to it", known.texts.map((lesson) => marked(lesson.fresh, make("code", {}, world.bytes[lesson.bytes].hex.slice(0, 48)), ` (${world.bytes[lesson.bytes].hex.length / 2} bytes)`))),
        make("p", { class: "more" }, `It ${retired && event.n >= retired.n ? "could" : "can"}: ${adversary.can.map((can) => can.name).join(", ") || "nothing but watch"}.${retired && event.n >= retired.n ? " The world is healed: from here on it only watches." : ""}`)));
  });
  fill("panel-knowledge",
    make("p", { class: "where" }, `at event ${event.n} · ${millis(event.at)} ms`),
    make("h2", {}, world.adversaries.length ? "What each attacker knew at this step" : "Nobody attacks in this world"),
    world.suite === "Null" && make("p", { class: "rule" }, "The channels of this world protect nothing: whoever sees a frame reads what is in it."),
    ...knowers);
  byId("tab-knowledge").textContent = world.adversaries.length ? `Attackers (${world.adversaries.length})` : "Attackers";
}

function tellWorld() {
  const wrong = events.filter((event) => event.what === "violated");
  const refused = Object.entries(world.refusals).map(([id, times]) => make("tr", {}, make("td", {}, make("strong", {}, id)), make("td", {}, `${times}`), make("td", {}, world.requirements[id] ?? "")));
  fill("panel-world",
    make("h2", {}, world.passed ? "Every property holds" : "A property does not hold"),
    chain("Violations", wrong),
    make("h3", {}, "This page again"), command(world.command),
    make("p", { class: "more" }, world.command.endsWith(".toml") ? "Save the plan below under that name. " : "", `digest ${world.digest}: the same in every run.`),
    make("h3", {}, "Nodes"), make("table", { class: "plain" }, ...world.nodes.map((node) => make("tr", {}, make("td", {}, make("strong", {}, node.name)), make("td", {}), make("td", {}, ...node.identities.map((identity) => make("code", { title: identity }, `${identity.slice(0, 17)}…`)), node.adversary !== undefined ? ` ${world.adversaries[node.adversary].class}` : "")))),
    refused.length > 0 && make("h3", {}, "Refused, by requirement"), refused.length > 0 && make("table", { class: "plain" }, ...refused),
    make("h3", {}, "Situations that it reached"), make("ul", {}, ...world.situations.map((situation) => make("li", {}, situation))),
    make("div", { class: "copy" }, make("h3", { style: "flex:1" }, "The plan"), copyButton(world.plan)), make("pre", { class: "plan", tabindex: "0", role: "group", "aria-label": "the plan" }, world.plan));
}

function tellLegend() {
  const picture = (paintInto) => { const svg = draw("svg", { viewBox: "0 0 84 22", "aria-hidden": "true" }); paintInto(svg); return svg; };
  const arrow = (style, changed) => picture((svg) => svg.append(draw("path", { d: "M4 11L76 11", class: `arrow ${changed ? "changed " : ""}${style}` }), tip(80, 11, 4, 11, style)));
  const mark = (...shapes) => picture((svg) => svg.append(...shapes.map(([tag, attributes]) => draw(tag, attributes))));
  const rows = [
    [arrow("handshake"), "A handshake message (hs 1, hs 2, hs 3), from where it was sent to where it arrived"],
    [arrow("channel"), "A channel message, with its nonce"],
    [arrow("frame"), "Another frame"],
    [arrow("attack", true), "A tampered frame: routes changed, delayed, replayed"],
    [arrow("attack forged", true), "A forged frame: nobody with a key made it"],
    [picture((svg) => svg.append(draw("path", { d: "M4 11L44 11", class: "arrow channel" }), cross(44, 11, "channel"))), "Lost on its link"],
    [picture((svg) => svg.append(draw("path", { d: "M4 11L34 11", class: "arrow channel" }), draw("circle", { cx: 34, cy: 11, r: 2.5, class: "ring channel" }))), "Sent, and arrives nowhere (the connection broke) or where the filters hide it"],
    [mark(["path", { d: "M42 5l6 6l-6 6l-6 -6z", class: "dot attack" }]), "An adversary puts a frame on the way: injected, or in place of an honest one"],
    [mark(["circle", { cx: 42, cy: 11, r: 6, class: "ring attack" }], ["path", { d: "M38 15l8 -8", class: "cross attack" }]), "An adversary swallows a frame"],
    [mark(["circle", { cx: 42, cy: 11, r: 4.4, class: "ring app" }]), "An application asks for a channel, or says something"],
    [mark(["circle", { cx: 42, cy: 11, r: 5, class: "dot app" }]), "An application is told something"],
    [mark(["rect", { x: 38, y: 7, width: 8.4, height: 8.4, class: "dot node opened" }]), "A channel is open, or a session is up"],
    [mark(["rect", { x: 38, y: 7, width: 8.4, height: 8.4, class: "ring node refused", transform: "rotate(45 42 11)" }]), "A node refuses, by the requirement beside it"],
    [mark(["path", { d: "M42 5l6 11h-12z", class: "dot world" }]), "A fault: a crash, a pause, a clock, a cut, a new key"],
    [mark(["circle", { cx: 42, cy: 11, r: 8, class: "dot violated" }], ["path", { d: "M38.5 7.5l7 7m0 -7l-7 7", stroke: "#fff", "stroke-width": 2 }]), "A property does not hold"],
    [picture((svg) => svg.append(draw("line", { x1: 42, x2: 42, y1: 0, y2: 22, class: "lane hostile" }))), "The lane of an adversary, at its node or on its link"],
  ];
  const keys = [["↓ j", "next event"], ["↑ k", "previous event"], ["PgDn PgUp", "ten events on, ten back"], ["Home End", "the first, the last"], ["[", "what led to it"], ["]", "what came of it"], ["a", "next attack"], ["r", "next refusal"], ["v", "next violation"], ["/", "search"], ["Esc", "leave the search; show everything"]];
  fill("panel-legend", make("h2", {}, "Legend"), make("div", { class: "legend" }, ...rows.flatMap(([left, right]) => [left, make("span", {}, right)])),
    make("h3", {}, "Keys"), make("div", { class: "keys" }, ...keys.flatMap(([key, what]) => [make("span", {}, ...key.split(" ").flatMap((part) => [make("kbd", {}, part), " "])), make("span", {}, what)])),
    make("p", { class: "more" }, "One row is one event; the distance of rows says nothing about time, the column of times does. The chosen event, what led to it and what came of it are drawn bold."));
}

function listNodes() {
  const set = (nodes) => { state.hidden = new Set(world.nodes.map((_, node) => node).filter((node) => !nodes.has(node))); refold(); };
  const everybody = new Set(world.nodes.keys());
  const near = () => {
    const nodes = new Set();
    for (const n of state.kin) { const event = eventOf(n); [event.node, event.to, fromOf(event)].forEach((node) => node !== undefined && nodes.add(node)); }
    return nodes;
  };
  fill("lane-list",
    make("div", { class: "group" }, make("button", { type: "button", onclick: () => set(everybody) }, "all"), make("button", { type: "button", onclick: () => set(busy) }, "busy"), make("button", { type: "button", onclick: () => set(near()) }, "of this event")),
    ...world.nodes.map((node, number) => make("label", {},
      make("input", { type: "checkbox", checked: !state.hidden.has(number), onchange: (change) => { if (change.target.checked) state.hidden.delete(number); else state.hidden.add(number); refold(); } }),
      make("span", {}, node.name), make("small", {}, node.adversary !== undefined ? world.adversaries[node.adversary].class : busy.has(number) ? "" : "idle"))));
}

function step(by) {
  const row = state.place.get(state.chosen);
  // What is chosen may be hidden: go on from where it was.
  const at = row ?? state.rows.findIndex((event) => event.n > state.chosen) - (by > 0 ? 1 : 0);
  const wanted = Math.min(state.rows.length - 1, Math.max(0, at + by));
  choose(state.rows[wanted]?.n);
}
function seek(is) {
  const after = state.rows.filter(is);
  choose((after.find((event) => event.n > state.chosen) ?? after[0])?.n, true);
}
const GO = {
  first: () => choose(state.rows[0]?.n), last: () => choose(state.rows.at(-1)?.n), previous: () => step(-1), next: () => step(1),
  attack: () => seek((event) => event.deed !== undefined), refusal: () => seek((event) => event.requirement), violation: () => seek((event) => event.what === "violated"),
};
const KEYS = {
  ArrowDown: GO.next, j: GO.next, ArrowUp: GO.previous, k: GO.previous, Home: GO.first, End: GO.last, PageDown: () => step(10), PageUp: () => step(-10),
  a: GO.attack, r: GO.refusal, v: GO.violation, "/": () => byId("search").focus(),
  "[": () => choose(eventOf(state.chosen)?.cause || undefined), "]": () => choose(eventOf(state.chosen)?.after[0]),
};
const ARROWS = ["ArrowDown", "ArrowUp", "Home", "End", "PageDown", "PageUp"];

function pick(tab) {
  for (const other of document.querySelectorAll('[role="tab"]')) {
    const is = other === tab;
    other.setAttribute("aria-selected", is ? "true" : "false");
    other.tabIndex = is ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = !is;
  }
}

function begin() {
  byId("verdict").textContent = world.passed ? "every property holds" : "a property does not hold";
  byId("verdict").classList.add(world.passed ? "good" : "bad");
  const who = world.adversaries.length === 1 ? "1 adversary" : `${world.adversaries.length} adversaries`;
  byId("facts").textContent = `${world.preset}, ${world.nodes.length} nodes, ${who}, ${world.delivered} of ${world.sent} messages delivered, ${world.attacks} attacks, digest ${world.digest}`;
  byId("facts").title = byId("facts").textContent;
  byId("kinds").append(...KINDS.map(([kind, name]) => make("label", { class: kind }, make("input", { type: "checkbox", checked: true, onchange: (change) => { if (change.target.checked) state.kinds.add(kind); else state.kinds.delete(kind); filter(); } }), make("i"), name)));
  byId("violation").disabled = world.passed;
  byId("attack").disabled = !events.some((event) => event.deed !== undefined);
  byId("refusal").disabled = !events.some((event) => event.requirement);
  for (const [id, go] of Object.entries(GO)) byId(id).addEventListener("click", go);
  byId("search").addEventListener("input", (input) => { state.words = input.target.value.toLowerCase().split(/\s+/).filter(Boolean); filter(); });
  rows.addEventListener("click", (click) => { const row = click.target.closest(".row"); if (row) choose(Number(row.dataset.n)); });
  diagram.addEventListener("scroll", () => requestAnimationFrame(() => paint()), { passive: true });
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); dragOverview(event); });
  overview.addEventListener("pointermove", dragOverview);
  new ResizeObserver(() => { arrange(); paintOverview(); paint(true); }).observe(diagram);
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => pick(tab));
    tab.addEventListener("keydown", (key) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[key.key];
      if (by) { const other = tabs[(at + by + tabs.length) % tabs.length]; pick(other); other.focus(); }
    });
  });
  const dark = () => document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  byId("theme").addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; paintOverview(); paint(true); });
  document.addEventListener("keydown", (key) => {
    if (key.ctrlKey || key.metaKey || key.altKey) return;
    const target = key.target, typing = target.matches?.('input[type="search"]');
    if (key.key === "Escape") {
      byId("lanes").open = false;
      if (typing || state.words.length) { byId("search").value = ""; state.words = []; filter(); choose(state.chosen, true); diagram.focus(); }
      return;
    }
    if (typing && !(ARROWS.slice(0, 2).includes(key.key) || key.key === "Enter")) return;
    // A panel scrolls with the keys that scroll.
    if (ARROWS.includes(key.key) && target.closest?.('aside, .drop')) return;
    const go = typing && key.key === "Enter" ? GO.next : KEYS[key.key];
    if (go) { key.preventDefault(); go(); }
  });
  document.addEventListener("click", (click) => { if (!click.composedPath().includes(byId("lanes"))) byId("lanes").open = false; });

  pick(tabs[0]);
  tellWorld();
  tellLegend();
  listNodes();
  arrange();
  filter();
  const asked = eventOf(Number(location.hash.slice(1)));
  const wrong = events.find((event) => event.what === "violated");
  const talk = events.find((event) => event.what === "asked");
  choose((asked ?? wrong ?? talk ?? events[0]).n, true);
  diagram.focus({ preventScroll: true });
}
begin();
