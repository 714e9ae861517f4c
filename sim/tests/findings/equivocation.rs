//! TOB-OCK-3: what short identifiers would mean. The core knows no short ones, so they are made here.

use std::collections::BTreeMap;

use razor::env::Timestamp;
use razor::identity::{Comparison, Identity, IdentityDraft, NewKey, admit};
use razor::vault::{Request, SigningKind, SoftwareVault, VerifyingKey};

/// An identifier as it would be with 24 bits.
type Toy = [u8; 3];

fn toy(hash: &[u8; 32]) -> Toy {
    [hash[0], hash[1], hash[2]]
}

const FIRST: u64 = 1_700_000_000;

/// The first change of an identity with this key, one of many.
fn draft(key: VerifyingKey, n: u64) -> IdentityDraft {
    IdentityDraft::create(&NewKey::starting(key, Timestamp(FIRST + n)))
}

fn hash(draft: &IdentityDraft) -> [u8; 32] {
    match draft.request() {
        Request::Sign(_, hash) => hash,
        Request::StaticDh(..) => panic!("a draft asks for a signature"),
    }
}

/// Two identities with different keys and one name of 24 bits.
fn collision(vault: &mut SoftwareVault) -> [Identity; 2] {
    let [one, other] = [1, 2].map(|n| vault.import_signing_key(SigningKind::Ed25519, &[n; 32]).expect("any 32 bytes"));
    let ones: BTreeMap<Toy, u64> = (0..8_192).map(|n| (toy(&hash(&draft(one, n))), n)).collect();
    let found = (0..).find_map(|m| Some((*ones.get(&toy(&hash(&draft(other, m))))?, m)));
    let (n, m) = found.expect("there is no end of them");
    [(one, n), (other, m)].map(|(key, n)| draft(key, n).sign_with(vault).expect("an own key"))
}

#[test]
fn with_short_identifiers_two_nodes_trust_one_name_and_two_keys() {
    let mut vault = SoftwareVault::new();
    let identities = collision(&mut vault);
    let [one, other] = identities.each_ref().map(|identity| toy(&identity.identifier().0));
    assert_eq!(one, other);
    // Each of two nodes keeps what it was shown under the name, and neither has seen a conflict.
    let [known, elsewhere] = identities.each_ref().map(|identity| BTreeMap::from([(one, identity)]));
    assert_ne!(known[&one].latest().key(), elsewhere[&one].latest().key());
}

#[test]
fn with_whole_identifiers_each_is_refused_where_the_other_is_expected() {
    let mut vault = SoftwareVault::new();
    let [one, other] = collision(&mut vault);
    assert_ne!(one.identifier(), other.identifier());
    let error = Identity::import(other.export(), Some(&one.identifier())).unwrap_err();
    assert_eq!(error.requirement(), "IDN-19");
    assert_eq!(admit(Some(one.export()), other).unwrap_err().requirement(), "IDN-29");
}

#[test]
fn a_fork_after_a_common_beginning_is_a_conflict_for_whoever_has_seen_either_branch() {
    let mut vault = SoftwareVault::new();
    let first = {
        let key = vault.import_signing_key(SigningKind::Ed25519, &[1; 32]).expect("any 32 bytes");
        draft(key, 0).sign_with(&vault).expect("an own key")
    };
    let [left, right] = [2, 3].map(|n| {
        let key = vault.import_signing_key(SigningKind::Ed25519, &[n; 32]).expect("any 32 bytes");
        let draft = IdentityDraft::rotate(&first, &NewKey::starting(key, Timestamp(FIRST))).expect("another key");
        draft.sign_with(&vault).expect("keys of this vault")
    });
    assert_eq!(left.identifier(), right.identifier());
    assert_eq!(Identity::compare(&left, &right), Comparison::Conflict);
    for (known, shown) in [(&left, &right), (&right, &left)] {
        assert_eq!(admit(Some(known.export()), shown.clone()).unwrap_err().requirement(), "IDN-29");
    }
}
