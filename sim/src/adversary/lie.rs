//! Lies: the one point in which the papers of a forger are false.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! lies {
    ($($of:ident { $($(#[doc = $doc:literal])+ $name:ident, $requirement:literal;)+ })+) => {
        /// One point in which the papers that somebody shows are false. Everything else about them is right, so that
        /// whoever does not look at this very point is taken in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Lie {
            $($($(#[doc = $doc])+ $name,)+)+
        }

        impl Lie {
            /// All of them.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)+];

            /// The requirement by which it is refused.
            pub const fn requirement(self) -> &'static str {
                match self { $($(Self::$name => $requirement,)+)+ }
            }

            /// Who the liar says that it is.
            pub const fn claims(self) -> Claims {
                match self { $($(Self::$name => Claims::$of,)+)+ }
            }
        }
    };
}

/// Who a liar says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// Its victim.
    Victim,
    /// Itself; whoever believes it believes more than is true.
    Itself,
    /// An identity that nobody can have made.
    Nobody,
}

lies! {
    Victim {
        /// The victim's history, and an attestation of the forger's static key that the forger signed.
        ForgedAttestation, "PUR-10";
        /// As before, with a signature that the victim made for something else.
        BorrowedAttestationSignature, "PUR-10";
        /// The victim's history and attestation, with a static key of the forger's: unknown key-share.
        AnothersAttestation, "PUR-15";
        /// The victim's history, and a change to a key of the forger's that the forger alone signed, in place of the
        /// victim.
        UnapprovedChange, "IDN-15";
        /// As before, with the new key's signature standing for the old key's too.
        CopiedSignature, "IDN-15";
        /// As before, with the signature of the victim's first change.
        BorrowedSignature, "IDN-15";
        /// As before, with the signature of the victim's attestation.
        BorrowedFromAttestation, "IDN-15";
        /// As before, without a signature of the old key.
        MissingSignature, "IDN-14";
        /// The victim's attestation stands for a change.
        AttestationAsChange, "IDN-6";
    }
    Itself {
        /// A change that its own key did not sign.
        UnsignedChange, "IDN-16";
        /// As before, and the first of all.
        UnsignedFirstChange, "IDN-16";
        /// A change that an older key approved than the one that it takes out.
        ApprovedByOldKey, "IDN-15";
        /// More changes than anybody takes, all of them good.
        TooManyChanges, "IDN-8";
        /// The two signatures of a change have changed places.
        SwappedSignatures, "IDN-16";
        /// A change that names the one before the last.
        WrongPreviousHash, "IDN-12";
        /// A change that names no change before it: a second first one.
        TwoFirstChanges, "IDN-12";
        /// The last change again, its own signature standing for that of the key before.
        RepeatedChange, "IDN-12";
        /// The hash of the change before in the 20 bytes that it once had.
        ShortPreviousHash, "COD-3";
        /// A previous signature in the first change.
        FirstChangeSignedTwice, "IDN-13";
        /// A change that begins to be valid before the one that it follows.
        ChangeBeginsTooEarly, "IDN-17";
        /// A change that ends before it begins.
        ChangeEndsBeforeItBegins, "IDN-18";
        /// A change in the envelope of an attestation.
        ChangeUnderWrongTag, "IDN-6";
        /// A change in the envelope of nothing that is known.
        ChangeUnderUnknownTag, "IDN-6";
        /// A change of another version.
        ChangeOfOtherVersion, "IDN-5";
        /// A change to a key of a kind that nobody knows.
        UnknownKeyKind, "IDN-7";
        /// A change to a key of small order, which verifies anything where that is not looked at.
        KeyOfSmallOrder, "VLT-23";
        /// An item more in a change than its version has.
        ItemAfterChange, "COD-3";
        /// A byte after the data of a change, signed along.
        ByteAfterChange, "COD-5";
        /// An attestation in the envelope of a change.
        AttestationUnderWrongTag, "PUR-2";
        /// An attestation in the envelope of nothing that is known.
        AttestationUnderUnknownTag, "PUR-2";
        /// An attestation of another version.
        AttestationOfOtherVersion, "PUR-1";
        /// An attestation of another identity.
        AnothersSubject, "PUR-3";
        /// An identifier in the 20 bytes that it once had.
        ShortSubject, "COD-3";
        /// An attestation that names an older change, signed by the latest key.
        OlderChange, "PUR-4";
        /// An attestation that names an older change, signed by the key of that.
        StaleAttestation, "PUR-4";
        /// An attestation that names the latest change, signed by an older key.
        SignedByOldKey, "PUR-10";
        /// An attestation that is good for longer than the key that made it, though not for longer than the key before.
        OutlivesKey, "PUR-5";
        /// An attestation that is older than the key that made it, though not older than the key before.
        PrecedesKey, "PUR-6";
        /// An attestation that has not been made yet.
        FromTheFuture, "PUR-7";
        /// An attestation that has expired.
        Expired, "PUR-8";
        /// An attestation that ends before it begins.
        EndsBeforeItBegins, "PUR-9";
        /// A key that signs credentials, used as a static key.
        WrongPurpose, "PUR-11";
        /// A key for a purpose that nobody knows.
        UnknownPurpose, "PUR-12";
        /// A byte after the data of an attestation, signed along.
        ByteAfterAttestation, "COD-5";
        /// A number in an attestation written longer than need be, signed so.
        LongNumber, "COD-2";
        /// A length in the papers written longer than need be.
        LongLength, "COD-2";
        /// More credentials than anybody takes.
        TooManyCredentials, "PUR-20";
        /// A credential that is longer than anybody takes.
        LargeCredential, "PUR-21";
        /// A credential of another version.
        CredentialOfOtherVersion, "PUR-22";
        /// A credential in the envelope of an attestation.
        CredentialUnderWrongTag, "PUR-22";
        /// More items that nobody knows behind the papers than are skipped.
        TooManyUnknownItems, "EXT-1";
        /// A byte after the papers.
        ByteAfterPapers, "COD-5";
        /// A signature to which the order of the group has been added, so that it is another that says the same.
        StretchedSignature, "PUR-10";
        /// A static key with its highest bit set, which stands for the same point as without.
        HighBit, "VLT-11";
    }
    Nobody {
        /// A first change that names one before it.
        FirstChangeHasPrevious, "IDN-11";
    }
}

impl Lie {
    /// Those who lead to a channel with the victim's name on it.
    pub fn as_victim() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|lie| lie.claims() == Claims::Victim)
    }

    /// Whether it is a matter of what the clock shows: true papers at another time.
    pub const fn is_about_time(self) -> bool {
        matches!(self, Self::FromTheFuture | Self::Expired | Self::EndsBeforeItBegins)
    }
}

impl fmt::Display for Lie {
    /// Its name in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, letter) in format!("{self:?}").chars().enumerate() {
            if n > 0 && letter.is_ascii_uppercase() {
                f.write_str(" ")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}
