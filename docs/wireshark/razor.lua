-- Ockam's TCP transport for Wireshark and tshark: frames, routes, kinds of payloads.
--
--     tshark -r run.pcap -X lua_script:docs/wireshark/razor.lua -Y razor
--     tshark -r run.pcap -X lua_script:docs/wireshark/razor.lua -T fields -e razor.onward -e razor.kind
--
-- A connection is recognised by the byte 01 that opens each direction. Frames and their form are in the chapter "TCP
-- transport" of the specification. What a payload is can only be guessed, as in `razor decode`: channels are encrypted.

local razor = Proto("razor", "Ockam TCP transport")

local f = {
  opening = ProtoField.uint8("razor.opening", "Protocol version"),
  length = ProtoField.uint32("razor.length", "Frame length"),
  onward = ProtoField.string("razor.onward", "Onward route"),
  back = ProtoField.string("razor.return", "Return route"),
  payload = ProtoField.bytes("razor.payload", "Payload"),
  kind = ProtoField.string("razor.kind", "Kind of payload"),
  tracing = ProtoField.string("razor.tracing", "Tracing text"),
  summary = ProtoField.string("razor.summary", "Summary"),
}
razor.fields = { f.opening, f.length, f.onward, f.back, f.payload, f.kind, f.tracing, f.summary }

local malformed = ProtoExpert.new("razor.malformed", "Not a transport message", expert.group.MALFORMED, expert.severity.ERROR)
razor.experts = { malformed }

-- The head of an item of CBOR at `at`: major type, number, where its content begins.
local function head(tvb, at)
  local first = tvb(at, 1):uint()
  local major, short = bit32.rshift(first, 5), bit32.band(first, 31)
  if short < 24 then return major, short, at + 1 end
  if short == 24 then return major, tvb(at + 1, 1):uint(), at + 2 end
  if short == 25 then return major, tvb(at + 1, 2):uint(), at + 3 end
  if short == 26 then return major, tvb(at + 1, 4):uint(), at + 5 end
  error("a length of another form")
end

local function expect(tvb, at, wanted)
  local major, number, content = head(tvb, at)
  if major ~= wanted then error("an item of another type") end
  return number, content
end

-- An address as text: what is not visible, and what has a meaning in routes, in hexadecimal digits.
local function text(bytes)
  return (bytes:gsub("[^!-~]", function(c) return string.format("\\x%02x", c:byte()) end)
    :gsub("[#>]", function(c) return string.format("\\x%02x", c:byte()) end))
end

local function route(tvb, at)
  local addresses = {}
  local count
  count, at = expect(tvb, at, 4)
  for _ = 1, count do
    local parts, kind, length
    parts, at = expect(tvb, at, 4)
    if parts ~= 2 then error("an address has two parts") end
    kind, at = expect(tvb, at, 0)
    length, at = expect(tvb, at, 2)
    local value = length > 0 and tvb(at, length):raw() or ""
    value = value:gsub("\\", "\\x5c")
    -- Backslashes are there already; they are visible.
    addresses[#addresses + 1] = kind .. "#" .. text(value)
    at = at + length
  end
  return table.concat(addresses, " => "), at
end

-- The text, if these bytes are exactly one in BARE and plain ASCII.
local function is_text(bytes)
  local length, at, shift = 0, 1, 0
  repeat
    local byte = bytes:byte(at)
    if byte == nil or shift > 14 then return false end
    length = length + bit32.lshift(bit32.band(byte, 127), shift)
    at, shift = at + 1, shift + 7
  until byte < 128
  return length > 0 and length <= 4096 and #bytes == at - 1 + length and not bytes:sub(at):find("[^ -~]")
end

local function kind_of(bytes)
  if is_text(bytes) then return "text" end
  if #bytes == 32 then return "handshake1" end
  -- The nonce of a channel that is not long in use.
  if #bytes >= 24 and bytes:sub(1, 3) == "\0\0\0" then return "channel-message" end
  if #bytes >= 96 then return "handshake2" end
  if #bytes >= 64 then return "handshake3" end
  return "bytes"
end

local function message(tvb, pinfo, tree)
  local items, at = expect(tvb, 4, 4)
  if items < 3 then error("a message has three items or more") end
  local onward, back, length, begin
  local start = at
  onward, at = route(tvb, at)
  tree:add(f.onward, tvb(start, at - start), onward)
  start = at
  back, at = route(tvb, at)
  tree:add(f.back, tvb(start, at - start), back)
  length, begin = expect(tvb, at, 2)
  local bytes = length > 0 and tvb(begin, length):raw() or ""
  local kind = kind_of(bytes)
  if length > 0 then tree:add(f.payload, tvb(begin, length)) end
  tree:add(f.kind, kind):set_generated()
  at = begin + length
  if items > 3 then
    local major, size, content = head(tvb, at)
    if major == 3 and size > 0 then tree:add(f.tracing, tvb(content, size)) end
  end
  local summary = string.format("%s:%d > %s:%d  onward %s  return %s  %s, %d bytes", tostring(pinfo.src), pinfo.src_port,
    tostring(pinfo.dst), pinfo.dst_port, onward, back, kind, length)
  tree:add(f.summary, summary):set_generated()
  pinfo.cols.info:append(kind .. " to " .. onward .. " ")
end

local function frame_length(tvb, _, at)
  if tvb(at, 1):uint() == 1 then return 1 end
  -- Too little to tell: more is asked for.
  if tvb:len() - at < 4 then return 0 end
  return 4 + tvb(at, 4):uint()
end

local function frame(tvb, pinfo, root)
  local tree = root:add(razor, tvb())
  if tvb:len() == 1 then
    tree:add(f.opening, tvb(0, 1))
    pinfo.cols.info:append("opening ")
    return 1
  end
  tree:add(f.length, tvb(0, 4))
  local fine, why = pcall(message, tvb, pinfo, tree)
  if not fine then tree:add_proto_expert_info(malformed, tostring(why)) end
  return tvb:len()
end

function razor.dissector(tvb, pinfo, root)
  pinfo.cols.protocol = "Ockam"
  pinfo.cols.info = ""
  dissect_tcp_pdus(tvb, root, 1, frame_length, frame)
  return tvb:len()
end

-- Frames begin with a byte 00, and the peer's direction with 01 too.
razor:register_heuristic("tcp", function(tvb, pinfo, root)
  local opens = tvb:len() >= 1 and tvb(0, 1):uint() == 1
  if not opens or (tvb:len() > 1 and tvb(1, 1):uint() ~= 0) then return false end
  pinfo.conversation = razor
  razor.dissector(tvb, pinfo, root)
  return true
end)
