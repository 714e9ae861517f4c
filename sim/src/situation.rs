//! Situations that worlds ought to reach *sometimes*: a simulator that never gets there proves nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! situations {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// Something that must have happened in at least one of many worlds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Situation {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Situation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }

        impl fmt::Display for Situation {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)+ })
            }
        }
    };
}

situations! {
    /// A channel opened.
    ChannelOpened => "a channel opened",
    /// A handshake did not finish in time.
    HandshakeFailed => "a handshake failed",
    /// A recorded channel message was sent again.
    Replayed => "a channel message was replayed",
    /// A message of an old channel was sent into a later world of channels.
    ReplayedAcross => "a message was replayed into another channel",
    /// A channel rekeyed: a nonce of 32 or more was delivered.
    Rekeyed => "a channel crossed a rekey",
    /// A message was delivered after a later one.
    OutOfOrder => "a message was delivered out of order",
    /// A channel message was forged with a nonce of the next interval.
    NextIntervalForged => "a next-interval nonce was forged",
    /// A channel message was forged with a nonce at or beyond the edge of the window.
    WindowEdgeForged => "a nonce at the window's edge was forged",
    /// A ciphertext or tag was damaged on purpose.
    CiphertextFlipped => "a ciphertext was damaged",
    /// A handshake message was damaged on purpose.
    HandshakeFlipped => "a handshake message was damaged",
    /// A message was cut short.
    Truncated => "a message was cut short",
    /// Bytes were added to a message.
    Extended => "a message was extended",
    /// An onward or return route was edited.
    RouteSpliced => "a route was spliced",
    /// A route of extreme length was sent.
    RouteOfExtremeLength => "a route of extreme length was sent",
    /// A message was sent back to its sender.
    Reflected => "a message was reflected",
    /// The messages of two channels were exchanged.
    Swapped => "the messages of two channels were swapped",
    /// Garbage was sent to a channel.
    Garbage => "garbage was injected",
    /// A Close was forged.
    CloseForged => "a Close was forged",
    /// The middle answered a handshake itself, and was refused.
    ImpostorRefused => "an impostor answered a handshake and was refused",
    /// The middle opened a handshake of its own, and was refused.
    IntruderRefused => "an intruder's handshake was refused",
    /// More handshakes were begun than a listener keeps half open.
    Flooded => "a listener was flooded with first messages",
    /// A full listener closed an open channel for a newcomer.
    Displaced => "an open channel was displaced",
    /// A channel lost more than its window and is dead.
    BeyondWindow => "a channel lost more than its window",
    /// Messages of a channel were made to arrive in another order, at the edges of the window.
    Overtaken => "an adversary let messages of a channel overtake others",
    /// A link lost a frame.
    LinkLoss => "a link lost a frame",
    /// A link delivered a frame twice.
    LinkDuplicate => "a link duplicated a frame",
    /// A link damaged a frame.
    LinkDamage => "a link damaged a frame",
    /// A connection broke and came up again.
    Reconnected => "a connection broke and came back",
    /// A slow link made its sender wait.
    SenderWaited => "a slow link made its sender wait",
    /// A NAT forgot a connection on which nothing was said.
    NatForgot => "a NAT forgot a silent connection",
    /// A node crashed and came back.
    Crashed => "a node crashed and came back",
    /// A node came back from a crash as somebody else.
    Forgot => "a node lost its keys in a crash",
    /// A node did nothing for a while.
    Paused => "a node paused",
    /// A wall clock jumped.
    ClockJumped => "a wall clock jumped",
    /// Nothing got from a node to its neighbour for a while.
    Cut => "a link was cut in one direction or both",
    /// An identity changed its key.
    Rotated => "an identity changed its key",
    /// A channel opened inside another.
    Nested => "a channel opened inside a channel",
    /// A message was delivered by a session.
    SessionDelivered => "a session delivered a message",
    /// A session's channel died and was replaced.
    SessionReplaced => "a session replaced a dead channel",
    /// A message was delivered after four links or more.
    Far => "a message crossed four links or more",
    /// CBOR came that was larger than it can be.
    HugeCbor => "huge CBOR was sent",
    /// Something came that is no frame.
    Malformed => "something came that is no frame",
    /// A connection was opened with another version.
    OtherVersion => "a connection was opened with another version",
    /// A message came that leads nowhere.
    Futile => "a message came that leads nowhere",
    /// Whoever had opened a channel tried to reach somebody who is not for him.
    Trespassed => "a guest tried to reach whom he may not",
    /// A frame was begun and not ended.
    Stalled => "a frame was begun and never ended",
    /// A frame came with items that nobody knows.
    Embellished => "a frame came with unknown items",
    /// A large frame was announced, of which little came at first.
    Large => "a large frame was announced",
    /// A replayed channel message was refused.
    ReplayRefused => "a replayed nonce was refused",
    /// A channel message whose tag is wrong was refused.
    ForgeryRefused => "a forged channel message was refused",
    /// A history that is older than the known one was refused.
    OlderHistoryRefused => "an older history was refused",
    /// A history that conflicts with the known one was refused.
    ConflictRefused => "a conflicting history was refused",
    /// Papers that do not fit the static key were refused.
    MisboundRefused => "papers of another static key were refused",
    /// A history that the peer of an open channel presented as its own, and that is another's, was refused.
    AnotherRefused => "another's history was refused in an open channel",
    /// An attestation that has expired, or is not valid yet, was refused.
    OutOfTimeRefused => "an attestation out of its time was refused",
    /// An attestation that names an older change was refused.
    StaleAttestationRefused => "an attestation of an older change was refused",
    /// False handshake messages came right before the true ones.
    HandshakeDisturbed => "a handshake was disturbed",
    /// A store had no room for another stranger.
    StoreFull => "a store was full of strangers",
    /// An attestation that the identity's key did not sign was refused.
    ForgedAttestationRefused => "a forged attestation was refused",
    /// An attestation of another identity was refused.
    ForeignSubjectRefused => "an attestation of another identity was refused",
    /// A key for another purpose was refused.
    WrongPurposeRefused => "a key for another purpose was refused",
    /// An attestation that outlives the key that made it, or is older than that, was refused.
    OutlivingAttestationRefused => "an attestation beyond its key's time was refused",
    /// Something that was signed as something else was refused.
    WrongTypeRefused => "something signed as something else was refused",
    /// A change that its own key did not sign was refused.
    UnsignedChangeRefused => "a change not signed by its own key was refused",
    /// A change that the key before it did not sign was refused.
    UnapprovedChangeRefused => "a change not signed by the key before it was refused",
    /// A history whose changes do not name one another was refused.
    BrokenChainRefused => "a history that does not hang together was refused",
    /// Papers that are not in the one encoding that they have were refused.
    UnusualEncodingRefused => "papers in an unusual encoding were refused",
    /// A key of small order, or in an unusual form, was refused.
    WeakKeyRefused => "a weak key was refused",
    /// Papers were accepted whose signatures are not those that were made, and as good.
    MalleatedAccepted => "papers with malleated signatures were accepted",
    /// Somebody with the whole secret of another was taken for him, as is to be expected.
    ThiefAccepted => "a thief of live keys was taken for his victim",
}
