//! Situations that worlds ought to reach *sometimes*: a simulator that never gets there proves nothing.

use std::fmt;

macro_rules! situations {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// Something that must have happened in at least one of many worlds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A channel opened through the hostile middle.
    ChannelOpened => "a channel opened through the hostile middle",
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
    /// A link lost a frame.
    LinkLoss => "a link lost a frame",
    /// A link delivered a frame twice.
    LinkDuplicate => "a link duplicated a frame",
    /// A link damaged a frame.
    LinkDamage => "a link damaged a frame",
    /// A connection broke and came up again.
    Reconnected => "a connection broke and came back",
}
