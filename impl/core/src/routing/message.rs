//! The message: one owned buffer that carries two routes and a payload through every layer.
//!
//! ```text
//! | headroom | onward route | gap | return route | gap | payload | tracing text | tailroom |
//! ```
//!
//! Decoding a layer moves indices inward ([`unfold`](Message::unfold)), encoding one writes outward
//! ([`fold`](Message::fold)): the payload stays where it is, through hops, transports and channels
//! inside channels. A hop moves only the few bytes of the routes. When the room on a side is used up the
//! message is laid out anew, once, and [`relayouts`](Message::relayouts) counts it.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::wire::cbor::{self, Reader};

use super::{AddressRef, Limits, RouteRef};

/// Bytes kept free before a new message's payload: enough for its routes, a channel and a frame.
pub const HEADROOM: usize = 384;

/// Bytes kept free after a new message's payload: enough for the tags of two nested channels.
pub const TAILROOM: usize = 64;

/// Positions in the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    const fn at(position: usize) -> Self {
        Self { start: position, end: position }
    }

    const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    const fn moved(self, start: usize) -> Self {
        Self { start, end: start.saturating_add(self.len()) }
    }
}

/// A routed message. Spec: "Routing".
///
/// The payload and the tracing text stand behind the routes: whatever edits routes does not reach them.
//= spec/src/routing.md#rte-9
//# Editing the routes of a message MUST NOT change its payload or its tracing text.
#[derive(Clone)]
pub struct Message {
    bytes: Vec<u8>,
    onward: Span,
    back: Span,
    payload: Span,
    onward_count: usize,
    back_count: usize,
    relayouts: u32,
    traced: bool,
}

/// What follows the payload when a layer is folded.
#[derive(Debug, Clone, Copy)]
pub enum Tail<'a> {
    /// The message's own tracing text, if it has one.
    Tracing,
    /// These bytes; the tracing text, if there is one, is dropped.
    Bytes(&'a [u8]),
}

impl Message {
    /// A message with these routes and a copy of `payload`.
    pub fn new(onward: RouteRef<'_>, back: RouteRef<'_>, payload: &[u8]) -> Self {
        let routes = onward.items.len().saturating_add(back.items.len());
        let start = HEADROOM.saturating_add(routes);
        let mut bytes = Vec::with_capacity(start.saturating_add(payload.len()).saturating_add(TAILROOM));
        bytes.resize(start, 0);
        bytes.extend_from_slice(payload);
        let mut message = Self::raw(bytes, start);
        message.set_routes(onward, back);
        message
    }

    /// A message without routes whose payload is `bytes` from `start` on. Nothing is copied.
    pub fn raw(bytes: Vec<u8>, start: usize) -> Self {
        let start = start.min(bytes.len());
        let payload = Span { start, end: bytes.len() };
        Self {
            bytes,
            onward: Span::at(start),
            back: Span::at(start),
            payload,
            onward_count: 0,
            back_count: 0,
            relayouts: 0,
            traced: false,
        }
    }

    /// Where the message goes: the first address names the worker that receives it.
    pub fn onward(&self) -> RouteRef<'_> {
        RouteRef { count: self.onward_count, items: self.slice(self.onward) }
    }

    /// Where a reply goes.
    pub fn return_route(&self) -> RouteRef<'_> {
        RouteRef { count: self.back_count, items: self.slice(self.back) }
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        self.slice(self.payload)
    }

    /// The payload, to be changed in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.payload.start..self.payload.end).unwrap_or_default()
    }

    /// The tracing text that came with the message.
    pub fn tracing(&self) -> Option<&str> {
        if !self.traced {
            return None;
        }
        Reader::new(self.bytes.get(self.payload.end..).unwrap_or_default()).text(usize::MAX).ok()
    }

    /// Replaces the tracing text.
    pub fn set_tracing(&mut self, text: Option<&str>) {
        self.bytes.truncate(self.payload.end);
        self.traced = text.is_some();
        if let Some(text) = text {
            // Writing to a `Vec` cannot fail.
            let _ = cbor::Encoder::new(&mut self.bytes).str(text);
        }
    }

    /// How often the message had to be laid out anew for want of room around it.
    pub const fn relayouts(&self) -> u32 {
        self.relayouts
    }

    /// How many bytes of memory the message holds.
    pub fn footprint(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes the first onward address.
    ///
    /// # Errors
    /// `RTE-8` when the onward route is empty.
    pub fn pop_onward(&mut self) -> Result<()> {
        //= spec/src/routing.md#rte-8
        //# A worker MUST NOT take an address from an empty onward route.
        let first = self.onward().first().ok_or(Error::misuse("RTE-8", "the onward route is empty"))?;
        let len = first.encoded_len();
        self.onward.start = self.onward.start.saturating_add(len);
        self.onward_count = self.onward_count.saturating_sub(1);
        Ok(())
    }

    /// Puts an address at the front of the onward route.
    pub fn push_onward(&mut self, address: AddressRef<'_>) {
        let len = address.encoded_len();
        self.reserve_front(len);
        self.onward.start = self.onward.start.saturating_sub(len);
        self.write_address(self.onward.start, address);
        self.onward_count = self.onward_count.saturating_add(1);
    }

    /// Puts an address at the front of the return route.
    pub fn push_return(&mut self, address: AddressRef<'_>) {
        let len = address.encoded_len();
        let gap = self.back.start.saturating_sub(self.onward.end);
        if let Some(missing) = len.checked_sub(gap).filter(|missing| *missing > 0 && !planted!(WritesOverOnward)) {
            self.reserve_front(missing);
            self.onward = self.shift(self.onward, self.onward.start.saturating_sub(missing));
        }
        self.back.start = self.back.start.saturating_sub(len);
        self.write_address(self.back.start, address);
        self.back_count = self.back_count.saturating_add(1);
    }

    /// Replaces the onward route.
    pub fn set_onward(&mut self, route: RouteRef<'_>) {
        self.onward = Span::at(self.back.start);
        self.onward_count = 0;
        self.reserve_front(route.items.len());
        self.onward.start = self.onward.end.saturating_sub(route.items.len());
        self.write(self.onward.start, route.items);
        self.onward_count = route.count;
    }

    /// Replaces both routes.
    pub fn set_routes(&mut self, onward: RouteRef<'_>, back: RouteRef<'_>) {
        self.clear_routes();
        self.reserve_front(back.items.len());
        self.back.start = self.back.end.saturating_sub(back.items.len());
        self.write(self.back.start, back.items);
        self.back_count = back.count;
        self.set_onward(onward);
    }

    /// Sends the message back: its return route becomes its onward route, and it has no return route.
    pub fn turn_round(&mut self) {
        (self.onward, self.onward_count) = (self.back, self.back_count);
        if !planted!(TurnsHalfRound) {
            (self.back, self.back_count) = (Span::at(self.payload.start), 0);
        }
    }

    /// Removes both routes.
    pub fn clear_routes(&mut self) {
        self.onward = Span::at(self.payload.start);
        self.back = Span::at(self.payload.start);
        self.onward_count = 0;
        self.back_count = 0;
    }

    /// Encodes one layer in place: the payload becomes `prefix || onward route || return route ||
    /// byte string of the payload || tail`, and the message has no routes any more.
    pub fn fold(&mut self, prefix: &[u8], tail: Tail<'_>) {
        let payload_head = Head::new(2, self.payload.len() as u64);
        let back_head = Head::new(4, self.back_count as u64);
        let onward_head = Head::new(4, self.onward_count as u64);
        let before =
            [prefix.len(), onward_head.len(), self.onward.len(), back_head.len(), self.back.len(), payload_head.len()]
                .into_iter()
                .fold(0, usize::saturating_add);
        //= spec/src/routing.md#rte-10
        //# A message MUST lose its tracing text when it is folded into a layer that has no field for it.
        let after = match tail {
            Tail::Bytes(bytes) => {
                self.bytes.truncate(self.payload.end);
                bytes
            }
            Tail::Tracing => &[],
        };
        self.make_room(before.saturating_sub(self.payload.start), after.len());
        self.bytes.extend_from_slice(after);
        // From the payload backward; each route moves by a few bytes.
        let payload_at = self.payload.start.saturating_sub(payload_head.len());
        let back_at = payload_at.saturating_sub(self.back.len());
        let back_head_at = back_at.saturating_sub(back_head.len());
        let onward_at = back_head_at.saturating_sub(self.onward.len());
        let onward_head_at = onward_at.saturating_sub(onward_head.len());
        let start = onward_head_at.saturating_sub(prefix.len());
        if back_at < self.back.start {
            self.shift(self.onward, onward_at);
            self.shift(self.back, back_at);
        } else {
            self.shift(self.back, back_at);
            self.shift(self.onward, onward_at);
        }
        self.write(payload_at, payload_head.bytes());
        self.write(back_head_at, back_head.bytes());
        self.write(onward_head_at, onward_head.bytes());
        self.write(start, prefix);
        self.payload = Span { start, end: self.bytes.len() };
        self.traced = false;
        self.clear_routes();
    }

    /// Decodes one layer in place: after `skip` bytes, the payload is `onward route || return route ||
    /// byte string || tail`. `read_tail` reads what follows the byte string and says whether it is a
    /// tracing text to be kept. Nothing changes unless everything is right.
    ///
    /// # Errors
    /// `COD-1` to `COD-6`, `RTE-1` to `RTE-4`, and what `read_tail` says.
    pub fn unfold(
        &mut self,
        skip: usize,
        limits: &Limits,
        read_tail: impl FnOnce(&mut Reader<'_>) -> Result<bool>,
    ) -> Result<()> {
        //= spec/src/routing.md#rte-11
        //# A layer that does not decode MUST leave the message as it was.
        let base = self.payload.start.saturating_add(skip);
        let input = self.bytes.get(base..self.payload.end).unwrap_or_default();
        let mut reader = Reader::new(input);
        let onward = RouteRef::read(&mut reader, limits)?;
        let onward_end = base.saturating_add(reader.position());
        let back = RouteRef::read(&mut reader, limits)?;
        let back_end = base.saturating_add(reader.position());
        let payload_len = reader.bytes(usize::MAX)?.len();
        let payload_end = base.saturating_add(reader.position());
        let tail_start = reader.position();
        let traced = read_tail(&mut reader)?;
        let traced_end = if traced {
            // Keep exactly the text; what a later version of the protocol may have added goes.
            let mut text = Reader::new(input.get(tail_start..).unwrap_or_default());
            text.text(usize::MAX)?;
            payload_end.saturating_add(text.position())
        } else {
            payload_end
        };

        let (onward_count, onward_len) = (onward.count, onward.items.len());
        let (back_count, back_len) = (back.count, back.items.len());
        self.onward = Span { start: onward_end.saturating_sub(onward_len), end: onward_end };
        self.back = Span { start: back_end.saturating_sub(back_len), end: back_end };
        self.payload = Span { start: payload_end.saturating_sub(payload_len), end: payload_end };
        self.onward_count = onward_count;
        self.back_count = back_count;
        self.traced = traced;
        //= spec/src/extensions.md#ext-2
        //# A node MUST NOT forward items of a transport message that it does not know.
        if !planted!(ForwardsUnknownItems) {
            self.bytes.truncate(traced_end);
        }
        Ok(())
    }

    /// Puts bytes around the payload of a message without routes: a nonce before, a tag after.
    pub fn wrap(&mut self, before: &[u8], after: &[u8]) {
        debug_assert!(self.onward_count == 0 && self.back_count == 0, "routes are folded first");
        self.bytes.truncate(self.payload.end);
        self.traced = false;
        self.make_room(before.len().saturating_sub(self.payload.start), after.len());
        self.bytes.extend_from_slice(after);
        self.payload = Span { start: self.payload.start.saturating_sub(before.len()), end: self.bytes.len() };
        self.write(self.payload.start, before);
        self.clear_routes();
    }

    /// Takes `before` bytes from the front of the payload and `after` from its end.
    pub fn unwrap_payload(&mut self, before: usize, after: usize) {
        let end = self.payload.end.saturating_sub(after).max(self.payload.start);
        self.payload = Span { start: self.payload.start.saturating_add(before).min(end), end };
        self.bytes.truncate(end);
        self.traced = false;
    }

    /// Overwrites all bytes with zeros and empties the message: it failed authentication.
    pub fn wipe(&mut self) {
        self.bytes.zeroize();
        self.bytes.clear();
        self.payload = Span::default();
        self.traced = false;
        self.clear_routes();
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start..span.end).unwrap_or_default()
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let Some(room) = self.bytes.get_mut(at..at.saturating_add(bytes.len())) else { return };
        match (room, bytes) {
            // Heads: a call that copies them costs more than they do.
            ([to], [from]) => *to = *from,
            ([to, next], [from, after]) => (*to, *next) = (*from, *after),
            (room, bytes) => room.copy_from_slice(bytes),
        }
    }

    fn write_address(&mut self, at: usize, address: AddressRef<'_>) {
        let outer = Head::new(4, 2);
        let transport = Head::new(0, u64::from(address.transport.0));
        let value = Head::new(2, address.value.len() as u64);
        let mut at = at;
        for part in [outer.bytes(), transport.bytes(), value.bytes(), address.value] {
            self.write(at, part);
            at = at.saturating_add(part.len());
        }
    }

    /// Moves the bytes of `span` so that they begin at `to`.
    fn shift(&mut self, span: Span, to: usize) -> Span {
        let moved = span.moved(to);
        if span.end <= self.bytes.len() && moved.end <= self.bytes.len() && span.start <= span.end {
            self.bytes.copy_within(span.start..span.end, to);
        }
        moved
    }

    /// Makes sure that `needed` bytes are free before the onward route.
    fn reserve_front(&mut self, needed: usize) {
        self.make_room(needed.saturating_sub(self.onward.start), 0);
    }

    /// Makes sure that so many more bytes are in front and that there is room for so many at the end: lays the message
    /// out anew, unless both are so already.
    fn make_room(&mut self, front: usize, end: usize) {
        if front == 0 && self.bytes.capacity().saturating_sub(self.bytes.len()) >= end {
            return;
        }
        let front = front.saturating_add(HEADROOM);
        let room = front.saturating_add(end).saturating_add(TAILROOM);
        let mut bytes = Vec::with_capacity(self.bytes.len().saturating_add(room));
        bytes.resize(front, 0);
        bytes.extend_from_slice(&self.bytes);
        self.bytes.zeroize();
        self.bytes = bytes;
        let back = self.back;
        for span in [&mut self.onward, &mut self.back, &mut self.payload] {
            *span = span.moved(span.start.saturating_add(front));
        }
        if planted!(RelayoutForgetsBack) {
            self.back = back;
        }
        self.relayouts = self.relayouts.saturating_add(1);
    }
}

impl fmt::Debug for Message {
    /// Routes and sizes; never the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("onward", &self.onward())
            .field("return", &self.return_route())
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish()
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.onward() == other.onward()
            && self.return_route() == other.return_route()
            && self.payload() == other.payload()
            && self.tracing() == other.tracing()
    }
}

impl Eq for Message {}

/// An encoded CBOR head.
struct Head {
    bytes: [u8; cbor::HEAD_MAX],
    len: usize,
}

impl Head {
    fn new(major: u8, value: u64) -> Self {
        let mut bytes = [0; cbor::HEAD_MAX];
        let len = cbor::head_len(value);
        let big_endian = value.to_be_bytes();
        let argument = len.saturating_sub(1);
        let initial = match argument {
            0 => value as u8,
            1 => 24,
            2 => 25,
            4 => 26,
            _ => 27,
        };
        if let Some((first, rest)) = bytes.split_first_mut() {
            *first = (major << 5) | initial;
            let from = big_endian.len().saturating_sub(argument);
            rest.iter_mut().zip(big_endian.get(from..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
        }
        Self { bytes, len }
    }

    const fn len(&self) -> usize {
        self.len
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(any(test, feature = "arbitrary"))]
pub(crate) mod model;
#[cfg(test)]
mod tests;
