//! Bugs that are in this crate on purpose, for the mutation proof: whoever says that the simulator finds bugs shows it.
//!
//! This module is there only in builds with `--cfg razor_planted`. Each [`Bug`] is one plausible mistake of one line,
//! made at exactly one place, where the code reads `planted!(ItsName)`. Elsewhere that is the constant `false`. None is
//! made until [`plant`] asks for it, and then one at a time, in one thread.

use alloc::string::String;
use core::cell::Cell;
use core::fmt;

std::thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// From now on this thread's machines make this mistake, and no other.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this mistake is made now.
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is($crate::planted::Bug::$bug)
    };
}

macro_rules! bugs {
    ($($layer:ident { $(#[doc = $what:literal] $bug:ident $requirement:literal,)+ })+) => {
        /// A mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[doc = $what] $bug,)+)+
        }

        impl Bug {
            /// All of them, layer by layer.
            pub const ALL: &[Self] = &[$($(Self::$bug,)+)+];

            /// What is wrong, in a sentence.
            pub const fn what(self) -> &'static str {
                match self { $($(Self::$bug => $what,)+)+ }.trim_ascii()
            }

            /// The requirement of the specification that it violates.
            pub const fn requirement(self) -> &'static str {
                match self { $($(Self::$bug => $requirement,)+)+ }
            }

            /// Where in the stack it is.
            pub const fn layer(self) -> Layer {
                match self { $($(Self::$bug => Layer::$layer,)+)+ }
            }
        }
    };
}

/// A layer of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Routes, messages and the codec under them.
    Routing,
    /// The handshake, and the primitives under it.
    Noise,
    /// Histories, attestations and the store.
    Identity,
    /// Secure channels.
    Channel,
    /// Workers, connections, access and queues.
    Node,
    /// Sessions.
    Session,
    /// TCP and serial lines.
    Transport,
}

bugs! {
    Routing {
        /// A route may have any number of addresses.
        TakesLongRoutes "RTE-3",
        /// An address that does not fit before the return route is written over the end of the onward route.
        WritesOverOnward "RTE-9",
        /// A message that is laid out anew forgets to move its return route.
        RelayoutForgetsBack "RTE-9",
        /// What follows the end of a message is not looked at.
        TakesTrailingBytes "COD-5",
        /// A number or length may be written longer than it need be.
        TakesLongHeads "COD-2",
        /// Numbers and tags in skipped items may be in any form.
        SkippedHeadsAnyForm "COD-2",
        /// The upper bits of a transport type are not looked at.
        WrapsTransportType "RTE-1",
        /// The name of an address may have any length.
        TakesLongAddresses "RTE-2",
        /// The text of an address has its > as it is.
        ArrowUnescaped "RTE-13",
        /// What a message carries that nobody knows is sent on with it.
        ForwardsUnknownItems "EXT-2",
        /// Four unknown items at the end of a frame are too many.
        RefusesFourUnknown "EXT-1",
        /// An unknown item may hold one item more than the limit.
        SkipsOneItemMore "COD-8",
        /// Of a skipped map only half of the items are skipped.
        SkippedMapHalf "EXT-1",
        /// A message that is turned round keeps its return route.
        TurnsHalfRound "NOD-17",
    }
    Noise {
        /// The initiator encrypts with the first key of the split, as the standard has it.
        SwapsSplitKeys "NOI-15",
        /// The longest handshake message is too long.
        HandshakeBoundExclusive "NOI-2",
        /// A handshake message may have any length.
        OpensLongMessages "NOI-2",
        /// A handshake message with a wrong tag is decrypted all the same.
        IgnoresHandshakeTag "NOI-7",
        /// The payload of message 1 is not mixed into the hash.
        ForgetsFirstPayload "NOI-10",
        /// Tags of the handshake do not cover what was said before.
        ForgetsTranscript "NOI-6",
        /// The ephemeral key is the same in every handshake.
        RepeatsEphemeralKey "NOI-9",
        /// A peer's public key may be any bytes.
        SkipsKeyCheck "NOI-13",
        /// The static key of message 2 is not checked.
        StaticKeyUnchecked2 "NOI-13",
        /// A key is renewed under the nonce of the first message.
        RenewsUnderFirstNonce "VLT-7",
        /// The transport keys are made of the hash, which everybody can compute.
        SplitsTheHash "NOI-8",
    }
    Identity {
        /// A change has to begin later than the one that it follows.
        EqualBeginRefused "IDN-17",
        /// A change need not be signed by the key that it brings in.
        SkipsOwnSignature "IDN-16",
        /// A change need not be signed by the key that it takes out.
        SkipsPreviousSignature "IDN-15",
        /// A change may name any change before it.
        SkipsPreviousHash "IDN-12",
        /// A change has to end later than it begins.
        MomentRefused "IDN-18",
        /// Whatever was signed may stand for anything else that is signed.
        IgnoresTypeTag "PUR-2",
        /// A history that is older than the known one replaces it.
        OlderDisplacesNewer "IDN-28",
        /// The same changes with other signatures pass for a contradiction.
        ResignedConflicts "IDN-27",
        /// A history that contradicts the known one replaces it.
        ConflictDisplacesKnown "IDN-29",
        /// A history that continues the known one is believed and not stored.
        ForgetsNewerHistory "IDN-30",
        /// The store forgets no stranger.
        KeepsAllStrangers "IDN-33",
        /// An attestation may be of another identity.
        SkipsSubject "PUR-3",
        /// An attestation may name an older change.
        TakesOldAttestation "PUR-4",
        /// An attestation may outlive the key that made it.
        OutlivesIdentityKey "PUR-5",
        /// An attestation may come from the future.
        TakesFutureAttestation "PUR-7",
        /// An attestation may have expired.
        TakesExpiredAttestation "PUR-8",
        /// An attestation need not be signed.
        SkipsAttestationSignature "PUR-10",
        /// A key may be written in another than its one form.
        NonCanonicalKeys "VLT-23",
        /// A key is not checked when it is read.
        WeakKeysTaken "VLT-23",
        /// An attestation may be of another static key than the handshake's.
        SkipsAttestedKey "PUR-15",
        /// Only the latest change has to be signed by its own key.
        TrustsOlderChanges "IDN-16",
        /// A change may be approved by any key of its history.
        ApprovedByAnyKey "IDN-15",
        /// A history may have any number of changes.
        TakesLongHistories "IDN-8",
        /// An attestation may be signed by any key of its history.
        AttestedByAnyKey "PUR-10",
        /// An attestation may be good for as long as the first key of its history.
        MeasuresByFirstKey "PUR-5",
        /// The skew of clocks that is borne is an hour.
        BearsAnHour "PUR-7",
        /// What has expired is taken for another minute.
        GraceAfterExpiry "PUR-8",
        /// Any number of credentials is taken.
        TakesManyCredentials "PUR-20",
        /// Whoever the store gives back garbage of is unknown.
        TakesGarbageForUnknown "IDN-31",
    }
    Channel {
        /// The trust policy is not asked.
        TrustsEveryone "CHN-10",
        /// A presentation may be longer than a handshake message has room for.
        PresentsTooMuch "CHN-58",
        /// A message 2 that is wrong ends the handshake.
        GarbageEndsInitiator "CHN-15",
        /// A message 3 that is not authentic ends the handshake.
        GarbageEndsResponder "CHN-16",
        /// A handshake may take any time.
        HandshakeWithoutEnd "CHN-18",
        /// Any number of messages is held until a handshake is finished.
        HoldsWithoutBound "CHN-21",
        /// A message with a wrong tag is decrypted all the same.
        IgnoresTag "CHN-37",
        /// The replay window moves before the tag is looked at.
        MovesWindowFirst "CHN-37",
        /// The key of the next interval is kept before a message was authentic under it.
        KeepsKeyFirst "CHN-36",
        /// The way to the peer moves before the tag is looked at.
        FollowsForgeries "CHN-37",
        /// A nonce may be accepted again.
        TakesReplays "CHN-14",
        /// The replay window reaches 33 either way.
        WindowTooWide "CHN-32",
        /// The replay window reaches 31 either way.
        WindowTooNarrow "CHN-32",
        /// Every message has the same nonce.
        RepeatsNonce "CHN-30",
        /// An encryptor keeps its first key.
        NeverRenewsKey "CHN-33",
        /// A decryptor keeps no key of the interval before.
        DropsPreviousKey "CHN-35",
        /// The plaintext of a Close, in the clear, closes the channel.
        ObeysBareClose "CHN-37",
        /// A Close is taken note of, and nothing else.
        IgnoresClose "CHN-48",
        /// The way to the peer follows a message that another has overtaken.
        FollowsOldMessages "CHN-46",
        /// The initiator's way to its peer follows the peer.
        InitiatorFollows "CHN-46",
        /// A delivered message does not lead back through the channel.
        ForgetsWayBack "CHN-45",
        /// What comes out of a channel passes for the node's own.
        ChannelIsLocal "CHN-55",
        /// Any number of handshakes may be half open.
        HalfOpenWithoutBound "CHN-52",
        /// A source that has its share of half-open handshakes displaces those of others.
        EvictsAnyone "CHN-53",
        /// A new handshake displaces an open channel.
        EvictsOpenChannels "CHN-53",
        /// Any number of channels may be open.
        OpenWithoutBound "CHN-65",
        /// The channel that has to leave is the oldest, whether it is silent or not.
        ForgetsWhoSpoke "CHN-66",
        /// Every other nonce is left out.
        LeavesNoncesOut "CHN-30",
        /// A policy compares the first eight bytes of an identity.
        ComparesPrefixes "CHN-10",
        /// All is well when any of several policies trusts.
        TrustsForAnyOfAll "CHN-10",
        /// A handshake that has failed keeps its worker.
        FailedStays "CHN-18",
        /// A channel opens while the store is asked to keep the history of its peer.
        OpensBeforeStored "CHN-12",
        /// A channel opens when the store has failed to keep the history of its peer.
        IgnoresFailedStore "CHN-12",
        /// A handshake that is over keeps its place.
        KeepsPlaceOfGone "CHN-52",
        /// Whoever has to make room is the first in the table.
        EvictsTheFirst "CHN-53",
        /// A channel inside a channel has a source of its own.
        InnerIsOwnSource "CHN-66",
        /// What follows the padding of a plaintext is not looked at.
        TakesTrailingPlaintext "CHN-40",
        /// Any number of messages is held, as long as they are short.
        HoldsAnyNumber "CHN-21",
        /// What was held until the handshake was finished is dropped then.
        ForgetsHeld "CHN-21",
        /// An initiator gives up when it refuses a history.
        RefusalEndsInitiator "CHN-15",
        /// The history that a peer shows anew may be of anybody.
        RefreshesAnybody "CHN-50",
        /// An idle channel forgets the key of the previous interval.
        ShrinkForgetsPrevious "CHN-35",
        /// Credentials that are presented anew are held against the ceilings.
        RefreshAtCeiling "CHN-59",
        /// Credentials are shown before the new history is stored.
        RefreshShownBeforeStored "CHN-50",
        /// A refresh takes the place of the one that waits for the store.
        SecondRefreshReplaces "CHN-50",
        /// A RefreshCredentials has no return route.
        RefreshWithoutReturn "CHN-62",
        /// A handshake that takes too long does not say what was wrong with what came.
        ForgetsLastRefusal "CHN-18",
        /// What an encryptor refuses costs a nonce.
        RefusedUsesNonce "CHN-30",
        /// An initiator is reached through all that the listener of its way has accepted.
        ThroughSpawner "CHN-60",
    }
    Node {
        /// A connection sends its sender address along.
        KeepsSenderAddress "NOD-23",
        /// The connection that a message came on is not on its way back.
        ForgetsConnection "NOD-7",
        /// A hop is not on the way back.
        HopLeavesNoWayBack "NOD-16",
        /// A hop sends messages on as its own node's.
        HopIsLocal "NOD-19",
        /// What comes from a connection passes for the node's own.
        ConnectionIsLocal "NOD-6",
        /// A peer's route may lead over a connection that this node dialled.
        PeerChoosesConnection "NOD-3",
        /// Every worker can be reached from outside.
        IgnoresFlowControl "NOD-4",
        /// Every port of a consumer can be reached from outside.
        OpensEveryPort "NOD-4",
        /// A receiver's access control is not asked.
        IgnoresIncomingAccess "NOD-5",
        /// A sender's access control is not asked.
        IgnoresOutgoingAccess "NOD-5",
        /// A message to nobody is sent back.
        AnswersStrays "NOD-2",
        /// Any number of messages may wait for a worker.
        InboxWithoutBound "NOD-9",
        /// Messages leave on a connection whose peer takes nothing.
        TransmitsWithoutEnd "NOD-21",
        /// A message that makes no sense stops the worker that it was for.
        FailureStopsWorker "NOD-15",
        /// What comes out of a channel reaches every worker.
        ChannelsReachAll "NOD-4",
        /// A consumer of any id is reached by everybody.
        ReachesAnyConsumer "NOD-4",
        /// The peer of a channel may lead messages over the connections of the node.
        GuestChoosesConnection "NOD-3",
        /// What comes out of a channel is let in everywhere.
        LetsGuestsIn "NOD-5",
        /// The access control of the first address holds for all addresses of a worker.
        AsksTheFirstPort "NOD-5",
        /// What goes through a gate passes for the node's own.
        GateIsLocal "NOD-44",
        /// What an application sends for a stranger passes for the node's own.
        OwnerLendsItsName "NOD-6",
        /// Of several who wait for room that there is, only one goes on.
        WakesOnlyOne "NOD-40",
        /// A parent does not hear that a child is gone whose last words wait.
        RetiresSilently "NOD-49",
        /// The last words of a worker wait for as long as their receiver is full.
        LastWordsWaitForever "NOD-42",
        /// What waited for a peer is forgotten when more waits for it, and not when it is gone.
        ForgetsLoadBefore "NOD-31",
        /// Any number of failed handshakes of strangers is reported.
        UnmeteredHandshakes "NOD-29",
        /// What is for a worker that has stopped reaches the one that has its place.
        KeepsGeneration "NOD-12",
        /// What leaves a gate does not wait for its link.
        GateIsNoRelay "NOD-40",
        /// What crosses takes the place of what waits.
        LinkOverwrites "NOD-10",
        /// The flow control ids of all shards begin alike.
        FlowIdsCollide "NOD-47",
        /// What children tell is told the newest first.
        NewsReversed "NOD-49",
        /// When connections hold too much the youngest one is closed.
        ClosesTheYoungest "NOD-30",
        /// What waits in outboxes for a peer that takes nothing does not count for it.
        AwaitedNotCounted "NOD-31",
        /// What waits already when a peer takes nothing any more does not count for it.
        BlockedUnnoticed "NOD-31",
        /// All timers that are due are called in one call.
        TimersWithoutBudget "NOD-8",
        /// Frames that are dropped cost nothing of the budget.
        DroppedFramesFree "NOD-27",
        /// What leaves later overtakes what waits in the outbox.
        OvertakesOutbox "NOD-40",
        /// Any number of messages waits in the outbox of a producer.
        OutboxWithoutBound "NOD-40",
        /// A connection is read while its last message waits.
        ReadsWhileStalled "NOD-10",
        /// A worker that has stopped hears answers as long as its last words wait.
        RetiredHearsAnswers "NOD-42",
        /// The timer of a worker that has stopped goes on while its last words wait.
        RetiredTicks "NOD-42",
        /// A worker may have nine addresses.
        NineAddresses "NOD-13",
        /// The address of a worker may be one of a transport.
        ForeignAddresses "NOD-13",
        /// What is sent to the receiver of a connection leaves on it.
        ReceiverSends "NOD-1",
    }
    Session {
        /// A session pings once, and never again.
        PingsOnce "SES-1",
        /// A session pings for ever, answered or not.
        NeverNoticesDeath "SES-2",
        /// After a failed attempt a session makes no other.
        PausesForGood "SES-6",
        /// A new attempt leaves the channel of the one before open.
        KeepsOldChannel "SES-12",
        /// Anybody may tell a session what came of an attempt.
        TakesOutcomeFromAfar "SES-9",
        /// That any attempt has failed brings a session down.
        OldFailureBringsDown "SES-7",
        /// What is sent through a session goes to its channel, open or not.
        SendsBeforeOpen "SES-13",
        /// What goes through a session does not wait for its channel.
        KeeperIsNoRelay "NOD-40",
    }
    Transport {
        /// A peer may speak any version.
        TakesAnyVersion "TCP-1",
        /// A frame may have any length.
        TakesLargeFrames "TCP-4",
        /// What is larger than a frame may be is sent.
        SendsOverCeiling "TCP-9",
        /// A frame has the memory that it announces, before any of it has come.
        AllocatesAnnounced "TCP-5",
        /// A frame may take any time.
        FrameWithoutEnd "TCP-11",
        /// A connection stays open when a frame cannot be decoded.
        KeepsBrokenConnection "TCP-7",
        /// A route beyond the limits closes the connection.
        LongRouteCloses "TCP-8",
        /// Each byte of a frame renews its time.
        FrameTimeSlides "TCP-11",
        /// A frame of a line is taken though its checksum says that it is damaged.
        TakesDamagedFrames "SER-5",
        /// A frame of a line may be of any version.
        TakesLineVersions "SER-6",
        /// After a frame of a line that is too large, none is read any more.
        SkipsForEver "SER-10",
        /// The opening byte of a connection is to be written on its line.
        WritesOpeningByte "SER-11",
        /// A connection over a line waits for the peer's opening byte.
        AwaitsOpeningByte "SER-12",
    }
}

impl fmt::Display for Bug {
    /// Its name in lower case, with hyphens between the words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hyphenated(&alloc::format!("{self:?}")))
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hyphenated(&alloc::format!("{self:?}")))
    }
}

fn hyphenated(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

impl core::str::FromStr for Bug {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.iter().copied().find(|bug| alloc::format!("{bug}") == text);
        named.ok_or_else(|| alloc::format!("no bug is called {text:?}"))
    }
}
