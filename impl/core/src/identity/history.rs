//! Identities: verified change histories.

use alloc::vec::Vec;

use super::change::Change;
use super::identifier::Identifier;
use super::limits::HistoryLimits;
use crate::error::{Error, Result};
use crate::wire::cbor::{Encoder, Reader};

/// A verified change history.
///
/// A value of this type is proof: it exists only if every rule of the chapter "Identities" held for
/// its bytes. It says nothing about the clock: whether the identity's key may still attest is for the
/// attestations to show.
#[derive(Clone)]
pub struct Identity {
    bytes: Vec<u8>,
    first: Change,
    later: Vec<Change>,
}

impl Identity {
    /// Verifies an encoded history, with the default limits. `expected` is whom it should be of.
    /// The clock plays no part in it.
    ///
    /// # Errors
    /// `COD-*` when the bytes are not the canonical encoding of a history, `IDN-*` for each rule of the
    /// chapter, `VLT-*` for keys and signatures.
    pub fn import(bytes: &[u8], expected: Option<&Identifier>) -> Result<Self> {
        Self::import_within(bytes, expected, &HistoryLimits::DEFAULT)
    }

    /// [`import`](Self::import) with limits of the caller's.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_within(bytes: &[u8], expected: Option<&Identifier>, limits: &HistoryLimits) -> Result<Self> {
        //= spec/src/identities.md#idn-9
        //# A receiver MUST refuse a history of more bytes than its limit, before it decodes any of them.
        if bytes.len() > limits.bytes {
            return Err(Error::limit("IDN-9", "a change history has too many bytes"));
        }
        let mut reader = Reader::new(bytes);
        let identity = Self::decode(&mut reader, limits)?;
        reader.finish()?;
        identity.verified(expected)
    }

    /// Reads and verifies the history that stands next in `reader`, in three passes, the cheap ones
    /// first: the encoding, the chain, the signatures.
    pub(super) fn read(reader: &mut Reader<'_>, expected: Option<&Identifier>, limits: &HistoryLimits) -> Result<Self> {
        Self::decode(reader, limits)?.verified(expected)
    }

    fn decode(reader: &mut Reader<'_>, limits: &HistoryLimits) -> Result<Self> {
        let start = reader.position();
        let count = reader.array()?;
        //= spec/src/identities.md#idn-10
        //# A verifier MUST refuse a history without changes.
        let more = count.checked_sub(1).ok_or(Error::misbehaved("IDN-10", "a change history is empty"))?;
        //= spec/src/identities.md#idn-8
        //# A receiver MUST refuse a history that announces more changes than its limit, before it decodes any of them.
        if count > u64::from(limits.changes) && !planted!(TakesLongHistories) {
            return Err(Error::limit("IDN-8", "a change history has too many changes"));
        }
        let first = Change::decode(reader)?;
        let mut later = Vec::new();
        for _ in 0..more {
            later.push(Change::decode(reader)?);
        }
        let bytes = reader.since(start).to_vec();
        if bytes.len() > limits.bytes {
            return Err(Error::limit("IDN-9", "a change history has too many bytes"));
        }
        Ok(Self { bytes, first, later }.rebased(start))
    }

    fn verified(self, expected: Option<&Identifier>) -> Result<Self> {
        //= spec/src/identities.md#idn-20
        //# A verifier MUST NOT refuse a history because of the time at which it is verified.
        // There is no clock among the arguments.
        check_chain(&self.first, &self.later, expected)?;
        check_signatures(&self.first, &self.later)?;
        Ok(self)
    }

    /// Makes the changes' spans relative to the history instead of to what it was read from.
    fn rebased(mut self, start: usize) -> Self {
        for change in core::iter::once(&mut self.first).chain(&mut self.later) {
            change.span = change.span.start.saturating_sub(start)..change.span.end.saturating_sub(start);
        }
        self
    }

    /// The identity's name.
    pub fn identifier(&self) -> Identifier {
        self.first.hash.into()
    }

    /// All changes, oldest first. There is at least one.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = &Change> + Clone {
        Changes { first: Some(&self.first), later: self.later.iter() }
    }

    /// The change that counts now.
    pub fn latest(&self) -> &Change {
        self.later.last().unwrap_or(&self.first)
    }

    /// The encoded history, as it was received.
    pub fn export(&self) -> &[u8] {
        //= spec/src/identities.md#idn-22
        //# A node that passes a history on MUST pass on the bytes that it received.
        &self.bytes
    }

    /// The encoded history with one more change at its end. It is not verified yet.
    pub(super) fn extended(&self, change: &[u8]) -> Vec<u8> {
        let changes = self.bytes.get(self.first.span.start..).unwrap_or_default();
        Self::encode(self.later.len().saturating_add(2), &[changes, change])
    }

    /// Encodes a history of `count` changes, given encoded.
    pub(super) fn encode(count: usize, changes: &[&[u8]]) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        let _ = encoder.array(count as u64);
        let mut bytes = encoder.into_writer();
        changes.iter().for_each(|change| bytes.extend_from_slice(change));
        bytes
    }

    /// Compares a history that is known with one that was received.
    pub fn compare(known: &Self, received: &Self) -> Comparison {
        //= spec/src/identities.md#idn-27
        //# Two histories MUST be compared position by position by the hashes of their changes, and by nothing else.
        //= spec/src/vaults.md#vlt-27
        //# An implementation MUST NOT use the bytes of a signature to identify, compare or look up anything.
        if known.changes().zip(received.changes()).any(|(a, b)| a.hash != b.hash) {
            return Comparison::Conflict;
        }
        match received.later.len().cmp(&known.later.len()) {
            core::cmp::Ordering::Equal => Comparison::Equal,
            core::cmp::Ordering::Greater => Comparison::Newer,
            core::cmp::Ordering::Less => Comparison::Older,
        }
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity")
            .field("identifier", &self.identifier())
            .field("changes", &self.changes().len())
            .finish_non_exhaustive()
    }
}

/// How a received history stands to the known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same changes.
    Equal,
    /// The known changes, and more.
    Newer,
    /// Only a beginning of the known changes.
    Older,
    /// The two differ at some position: another identity, or an owner who equivocates.
    Conflict,
}

#[derive(Clone)]
struct Changes<'a> {
    first: Option<&'a Change>,
    later: core::slice::Iter<'a, Change>,
}

impl<'a> Iterator for Changes<'a> {
    type Item = &'a Change;

    fn next(&mut self) -> Option<&'a Change> {
        self.first.take().or_else(|| self.later.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.later.len().saturating_add(usize::from(self.first.is_some()));
        (len, Some(len))
    }
}

impl ExactSizeIterator for Changes<'_> {}

/// Each later change with the one before it.
fn pairs<'a>(first: &'a Change, later: &'a [Change]) -> impl Iterator<Item = (&'a Change, &'a Change)> {
    core::iter::once(first).chain(later).zip(later)
}

fn check_chain(first: &Change, later: &[Change], expected: Option<&Identifier>) -> Result<()> {
    //= spec/src/identities.md#idn-11
    //# A verifier MUST refuse a history whose first change names a previous change.
    if first.data.previous.is_some() {
        return Err(Error::misbehaved("IDN-11", "the first change names a previous one"));
    }
    //= spec/src/identities.md#idn-13
    //# A verifier MUST refuse a history whose first change carries a previous signature.
    if first.previous_signature.is_some() {
        return Err(Error::misbehaved("IDN-13", "the first change carries a previous signature"));
    }
    for (previous, change) in pairs(first, later) {
        //= spec/src/identities.md#idn-12
        //# A verifier MUST refuse a later change that does not name the hash of the change right before it.
        if change.data.previous != Some(previous.hash) && !planted!(SkipsPreviousHash) {
            return Err(Error::misbehaved("IDN-12", "a change does not name the change before it"));
        }
        //= spec/src/identities.md#idn-17
        //# A verifier MUST refuse a change whose `attestations_valid_from` is earlier than that of the change before it.
        let equal = change.data.valid_from == previous.data.valid_from;
        if change.data.valid_from < previous.data.valid_from || equal && planted!(EqualBeginRefused) {
            return Err(Error::misbehaved("IDN-17", "a change begins before the one that it follows"));
        }
    }
    //= spec/src/identities.md#idn-19
    //# A verifier that expects an identifier MUST refuse a history of another one.
    if expected.is_some_and(|expected| *expected != first.hash.into()) {
        return Err(Error::misbehaved("IDN-19", "a change history is of another identity than expected"));
    }
    Ok(())
}

fn check_signatures(first: &Change, later: &[Change]) -> Result<()> {
    for change in core::iter::once(first).chain(later) {
        //= spec/src/identities.md#idn-16
        //# A verifier MUST refuse a change that is not signed by its own key.
        let signed = change.data.key.verify(&change.hash.0, &change.signature).is_ok();
        let older = planted!(TrustsOlderChanges) && later.last().is_some_and(|last| !core::ptr::eq(change, last));
        if !signed && !older && !planted!(SkipsOwnSignature) {
            return Err(Error::misbehaved("IDN-16", "a change is not signed by its own key"));
        }
    }
    for (previous, change) in pairs(first, later) {
        //= spec/src/identities.md#idn-14
        //# A verifier MUST refuse a later change without a previous signature.
        let absent = Error::misbehaved("IDN-14", "a later change has no previous signature");
        let signature = change.previous_signature.as_ref().ok_or(absent)?;
        //= spec/src/identities.md#idn-15
        //# A verifier MUST refuse a later change whose previous signature is not by the key of the change before it.
        let signed = previous.data.key.verify(&change.hash.0, signature).is_ok();
        let by_any = planted!(ApprovedByAnyKey)
            && core::iter::once(first).chain(later).any(|by| by.data.key.verify(&change.hash.0, signature).is_ok());
        if !signed && !by_any && !planted!(SkipsPreviousSignature) {
            return Err(Error::misbehaved("IDN-15", "a change is not signed by the key before it"));
        }
    }
    Ok(())
}
