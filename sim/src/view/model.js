// The world, and what follows from it. Events are numbered from one.
const world = JSON.parse(document.getElementById("world").textContent);
const events = world.events;
events.forEach((event, index) => { event.n = index + 1; event.after = []; });
const eventOf = (n) => events[n - 1];
for (const event of events) if (event.cause) eventOf(event.cause).after.push(event.n);
const sentOf = new Map(events.filter((event) => event.what === "sent").map((event) => [event.frame, event]));

// The bytes that an event is about; an arrival without bytes of its own has those that were sent.
function bytesOf(event) {
  if (event.bytes !== undefined) return world.bytes[event.bytes];
  if (event.what === "arrived" || event.what === "lost") return bytesOf(sentOf.get(event.frame));
  if (event.what === "swallowed" && event.deed !== undefined) return world.bytes[world.deeds[event.deed].bytes];
  return undefined;
}

// What kind of frame an event is about: of a piece, that of the whole.
function cargoOf(event) {
  const sent = event.what === "arrived" || event.what === "lost" ? sentOf.get(event.frame) : undefined;
  return bytesOf(sent ?? event);
}

const KINDS = [
  ["channel", "channels"], ["handshake", "handshakes"], ["frame", "frames"], ["attack", "attacks"],
  ["app", "apps"], ["node", "nodes"], ["world", "faults"],
];

// The kind of an event, by which it is filtered and coloured.
function kindOf(event) {
  switch (event.what) {
    case "sent": case "arrived": case "lost": {
      if (event.intent) return "attack";
      const kind = cargoOf(event)?.kind;
      return kind === "channel" ? "channel" : "123".includes(kind) ? "handshake" : "frame";
    }
    case "injected": case "swallowed": return "attack";
    case "delivered": case "asked": return "app";
    case "event": return "node";
    case "violated": return "violated";
    default: return "world";
  }
}
for (const event of events) {
  event.kind = kindOf(event);
  event.style = [event.kind, event.intent, event.told].filter(Boolean).join(" ");
}

// The node at the other end of the link of a frame.
function fromOf(event) {
  if (event.link === undefined) return event.node;
  const [one, other] = world.links[event.link];
  return one === event.to ? other : one;
}

// The lanes: nodes in their order, and between two of them whoever sits on their link.
const lanes = [];
const onLink = world.adversaries.map((adversary, number) => ({ ...adversary, number })).filter((adversary) => adversary.link !== undefined);
world.nodes.forEach((node, number) => {
  lanes.push({ node: number, name: node.name, adversary: node.adversary, nodes: [number] });
  for (const adversary of onLink) {
    const ends = world.links[adversary.link];
    if (Math.min(...ends) === number) lanes.push({ name: "", adversary: adversary.number, nodes: ends });
  }
});
for (const adversary of world.adversaries.keys()) {
  const { node, link } = world.adversaries[adversary];
  const seat = lanes.findIndex((lane) => lane.adversary === adversary);
  // Who only watches a node sits there.
  world.adversaries[adversary].lane = seat >= 0 ? seat : lanes.findIndex((lane) => lane.node === node);
}
const laneOf = (node) => lanes.findIndex((lane) => lane.node === node);
const laneOfNode = world.nodes.map((_, number) => laneOf(number));
const isBusy = (event) => event.what !== "connection" && event.what !== "phase" && (event.what !== "arrived" || event.frame);
const busy = new Set(events.filter(isBusy).flatMap((event) => [event.node, event.to ?? event.node]));

// Which lanes an event is at: where it begins, and where it goes.
function seatOf(event) {
  const deed = event.deed === undefined ? undefined : world.deeds[event.deed];
  const adversary = deed && (event.what === "injected" || event.what === "swallowed") ? world.adversaries[deed.adversary] : undefined;
  return adversary ? adversary.lane : laneOfNode[event.node];
}
function originOf(sent) {
  const cause = sent.cause ? eventOf(sent.cause) : undefined;
  return cause?.what === "injected" ? seatOf(cause) : laneOfNode[fromOf(sent)];
}

// An event, all that led to it, and all that came of it.
function kin(event) {
  const all = new Set();
  for (let at = event; at; at = at.cause ? eventOf(at.cause) : undefined) all.add(at.n);
  const next = [event.n];
  while (next.length && all.size < 400) {
    for (const n of eventOf(next.pop()).after) if (!all.has(n)) { all.add(n); next.push(n); }
  }
  return all;
}

// What an adversary knew when an event happened: all its lessons up to there, and which of them are new.
function knowledge(adversary, event) {
  const known = { listeners: new Map(), channels: new Map(), frames: {}, passed: 0, displaced: 0, keys: [], texts: [], fresh: 0, deeds: 0 };
  for (const lesson of world.lessons) {
    if (lesson.before > event.n) break;
    if (lesson.adversary !== adversary) continue;
    const fresh = lesson.before === event.n;
    known.fresh += fresh;
    switch (lesson.fact) {
      case "frame":
        known.frames[lesson.kind] = (known.frames[lesson.kind] ?? 0) + 1;
        known.passed += 1; known.displaced += lesson.displaced; known.newFrame = fresh; break;
      case "listener": known.listeners.set(`${lesson.to} ${lesson.route}`, { ...lesson, fresh }); break;
      case "channel": known.channels.set(lesson.route, { ...lesson, fresh }); break;
      case "nonce": { const channel = known.channels.get(lesson.route); if (channel) { channel.nonce = lesson.nonce; channel.moved = fresh; } break; }
      case "keys": known.keys.push({ ...lesson, fresh }); break;
      case "plaintext": known.texts.push({ ...lesson, fresh }); break;
    }
  }
  return known;
}

const millis = (micros) => (micros / 1000).toFixed(3);
