//! Kinds of adversary, and what each is able to do.

use crate::named::named;

named! {
    /// Something that an adversary is able to do.
    Capability is "capability",
    /// Swallow a frame.
    Drop => "drop",
    /// Swallow a run of frames that is longer than the replay window.
    BlackHole => "black-hole",
    /// Hold a frame back.
    Delay => "delay",
    /// Let 31, 32 or 33 messages of a channel overtake another, or a copy of it, or one overtake so many: the edges of
    /// the window. Some of the overtaken come another way, and messages of a handshake late.
    Overtake => "overtake",
    /// Send a frame twice.
    Duplicate => "duplicate",
    /// Send an old frame again.
    Replay => "replay",
    /// Send an old message into another channel.
    ReplayAcross => "replay-across",
    /// Cut a payload short.
    Truncate => "truncate",
    /// Add bytes to a payload.
    Extend => "extend",
    /// Flip a bit of a payload.
    Flip => "flip",
    /// Edit the onward route: lead a message astray, round in circles, to another's worker.
    SpliceOnward => "splice-onward",
    /// Edit the return route.
    SpliceReturn => "splice-return",
    /// Send a route of extreme length.
    LongRoute => "long-route",
    /// Send a message back to where it came from.
    Reflect => "reflect",
    /// Give the payload of one channel to another.
    Swap => "swap",
    /// Send garbage to a channel, a listener, or as a frame.
    Garbage => "garbage",
    /// Make channel messages with nonces of its choice: of the next interval, at the edges of the window, of the far
    /// future.
    ForgeNonce => "forge-nonce",
    /// Make a Close, encrypted under nothing.
    ForgeClose => "forge-close",
    /// Send CBOR that promises more than there is, nests without end, or is as large as a frame may be.
    HugeCbor => "huge-cbor",
    /// Send what is no frame, or open a connection with another version: the connection is to be closed.
    Malformed => "malformed",
    /// Send messages to nobody, to workers that are for nobody outside, over the connections of others: all are to be
    /// dropped.
    Futile => "futile",
    /// Announce a large frame and send little of it at first.
    Large => "large",
    /// Answer handshakes that are meant for somebody else.
    Impersonate => "impersonate",
    /// Begin handshakes of its own.
    Intrude => "intrude",
    /// Begin very many handshakes and finish none.
    Flood => "flood",
    /// Open channels of its own without end, and leave them open.
    Siege => "siege",
    /// Begin a frame and never end it: the connection is to be closed in time.
    Stall => "stall",
    /// Add items to a frame that nobody knows: hops take them off.
    Embellish => "embellish",
    /// Rewrite the tracing text.
    Tracing => "tracing",
    /// Send garbage, and damaged copies, to whoever waits for a handshake message, right before it gets that.
    Disturb => "disturb",
    /// Set the clocks of others forward and back, further than any skew that is borne.
    SetClocks => "set-clocks",
}

named! {
    /// A kind of adversary: where it stands, whose keys it has, and what it can do unless a plan says otherwise.
    Class is "class of adversaries",
    /// Sees and keeps all that passes a link or a node, and does nothing.
    Archivist => "archivist",
    /// Has a link: what it does not like does not arrive, and it sends what it likes.
    Link => "link",
    /// Has a node that messages pass: an honest machine whose frames it rewrites on their way out. It edits routes,
    /// delivers to the wrong node, swallows, and answers for others.
    Hop => "hop",
    /// A hop that presents the papers of its victim with a static key of its own: unknown key-share.
    Misbinder => "misbinder",
    /// A hop whose handshakes are perfect and whose papers are false in one point, in turns in every point that there
    /// is: it poses as its victim, or as more than it is.
    Forger => "forger",
    /// A hop with the static key of its victim that poses as a third: key-compromise impersonation.
    StaticThief => "static-thief",
    /// A hop with the papers and the static key of its victim. Nothing tells it from its victim until the attestation
    /// expires, or the victim rotates its identity and its peers have seen that.
    PurposeThief => "purpose-thief",
    /// A hop with the first identity key of its victim, and a history of its own that branches off there.
    OldKeyThief => "old-key-thief",
    /// A hop with two histories of its own identity that branch, shown in turns.
    Equivocator => "equivocator",
    /// A hop with many identities, each of which opens channels: strangers without end.
    Crowd => "crowd",
    /// Has a link, and sends what it likes; what others send it leaves alone. Nothing may be lost by it.
    Injector => "injector",
    /// Has a link, and changes the order of what passes, with the edges of the window in mind. It swallows nothing, and adds
    /// to frames what nobody knows.
    Shuffler => "shuffler",
    /// Has a node, and makes others work and keep state: half-open handshakes, open channels, floods of forgeries,
    /// routes of extreme length, huge CBOR, nonces of the far future.
    Exhauster => "exhauster",
    /// Has a link, and the time service of the nodes.
    Clock => "clock",
}

const ON_A_LINK: &[Capability] = {
    use Capability::*;
    &[
        Drop,
        BlackHole,
        Delay,
        Overtake,
        Duplicate,
        Replay,
        ReplayAcross,
        Truncate,
        Extend,
        Flip,
        SpliceOnward,
        SpliceReturn,
        LongRoute,
        Reflect,
        Swap,
        Garbage,
        ForgeNonce,
        ForgeClose,
        HugeCbor,
        Malformed,
        Futile,
        Large,
        Embellish,
        Tracing,
    ]
};

const AT_A_NODE: &[Capability] = {
    use Capability::*;
    &[
        Drop,
        BlackHole,
        Delay,
        Overtake,
        Duplicate,
        Replay,
        ReplayAcross,
        Truncate,
        Extend,
        Flip,
        SpliceOnward,
        SpliceReturn,
        LongRoute,
        Reflect,
        Swap,
        Garbage,
        ForgeNonce,
        ForgeClose,
        HugeCbor,
        Malformed,
        Futile,
        Large,
        Embellish,
        Tracing,
        Impersonate,
        Intrude,
        Flood,
    ]
};

impl Class {
    /// Those who have keys or papers of others, or more than one of their own.
    pub const IMPOSTORS: &'static [Self] = &[
        Self::Misbinder,
        Self::Forger,
        Self::StaticThief,
        Self::PurposeThief,
        Self::OldKeyThief,
        Self::Equivocator,
        Self::Crowd,
        Self::Clock,
    ];

    /// What it can do unless a plan says otherwise.
    pub fn capabilities(self) -> &'static [Capability] {
        use Capability::*;
        match self {
            Self::Archivist => &[],
            Self::Link => ON_A_LINK,
            Self::Hop => AT_A_NODE,
            Self::Misbinder
            | Self::Forger
            | Self::StaticThief
            | Self::PurposeThief
            | Self::OldKeyThief
            | Self::Crowd
            | Self::Equivocator => &[Impersonate, Intrude, Delay],
            Self::Exhauster => &[Flood, Siege, Garbage, LongRoute, HugeCbor, ForgeNonce, Intrude],
            Self::Shuffler => &[Overtake, Embellish],
            Self::Injector => &[Disturb, Replay, ReplayAcross, Garbage, ForgeNonce, ForgeClose, LongRoute],
            Self::Clock => &[SetClocks, Replay, Delay],
        }
    }

    /// Whether it stands at a node of its own, and not on a link.
    pub fn has_a_node(self) -> bool {
        !matches!(self, Self::Archivist | Self::Link | Self::Injector | Self::Shuffler | Self::Clock)
    }

    /// Whether it has secrets of somebody else, which are worth nothing once that somebody has changed the key.
    pub fn is_a_thief(self) -> bool {
        matches!(self, Self::PurposeThief | Self::OldKeyThief)
    }

    /// Whether it has something of somebody else.
    pub fn needs_a_victim(self) -> bool {
        matches!(self, Self::Misbinder | Self::Forger | Self::StaticThief | Self::PurposeThief | Self::OldKeyThief)
    }
}

impl Capability {
    /// Whether what others send arrives all the same, and everything that they are owed.
    pub fn leaves_frames_alone(self) -> bool {
        use Capability::*;
        matches!(self, Disturb | Replay | ReplayAcross | Garbage | ForgeNonce | ForgeClose | LongRoute | Siege)
    }

    /// Whether only a machine of one's own can do it.
    pub fn needs_a_node(self) -> bool {
        matches!(self, Self::Impersonate | Self::Intrude | Self::Siege)
    }
}
