//! Admitting and keeping what others present.

use super::*;

fn stored(store: &mut MemoryStore, identity: &Identity) {
    let request = StoreRequest::Store(identity.identifier(), identity.export().to_vec());
    assert!(matches!(store.answer(&request), Ok(StoreAnswer::Stored)));
}

fn loaded(store: &mut MemoryStore, identity: &Identity) -> Option<Vec<u8>> {
    match store.answer(&StoreRequest::Load(identity.identifier())).unwrap() {
        StoreAnswer::Loaded(history) => history,
        StoreAnswer::Stored => panic!("a load was asked for"),
    }
}

//= spec/src/identities.md#idn-28
//= type=test
//# A node MUST refuse a received history that is older than the one it knows.
//= spec/src/identities.md#idn-29
//= type=test
//# A node MUST refuse a received history that conflicts with the one it knows, and keep the known one.
//= spec/src/identities.md#idn-30
//= type=test
//# A node MUST store a received history that is of an unknown identity or that continues the known one.
#[test]
fn histories_are_admitted_when_new_same_or_newer_and_refused_when_older_or_in_conflict() {
    let mut owner = Owner::new(21);
    let first = owner.create(SigningKind::Ed25519);
    let mut twin = Owner::new(21);
    twin.create(SigningKind::Ed25519);
    let left = owner.rotate(&first, SigningKind::Ed25519, NOW).unwrap();
    let right = twin.rotate(&first, SigningKind::P256, NOW).unwrap();

    let admission = admit(None, first.clone()).unwrap();
    assert!(matches!(&admission, Admission::New(_)));
    assert!(matches!(admission.to_store(), Some(StoreRequest::Store(id, _)) if id == first.identifier()));
    let admission = admit(Some(first.export()), left.clone()).unwrap();
    assert!(matches!(&admission, Admission::Newer(_)));
    assert!(matches!(admission.to_store(), Some(StoreRequest::Store(_, bytes)) if bytes == left.export()));
    assert!(matches!(admit(Some(left.export()), left.clone()), Ok(Admission::Same(_))));
    refused(admit(Some(left.export()), first.clone()), Blame::Misbehaved, "IDN-28");
    refused(admit(Some(left.export()), right.clone()), Blame::Misbehaved, "IDN-29");
    // A fork is a conflict even when it is the longer one.
    let right = twin.rotate(&right, SigningKind::P256, NOW).unwrap();
    refused(admit(Some(left.export()), right.clone()), Blame::Misbehaved, "IDN-29");
    assert_eq!(Identity::compare(&right, &left), Comparison::Conflict);
}

//= spec/src/identities.md#idn-31
//= type=test
//# A node MUST verify a history that comes from its store like one that comes from a peer.
#[test]
fn a_damaged_store_is_noticed_and_blamed() {
    let identity = Owner::new(22).create(SigningKind::Ed25519);
    let mut damaged = identity.export().to_vec();
    damaged[100] ^= 1;
    refused(admit(Some(&damaged), identity.clone()), Blame::Misuse, "IDN-31");
    refused(admit(Some(b""), identity), Blame::Misuse, "IDN-31");
}

//= spec/src/identities.md#idn-32
//= type=test
//# A store MUST NOT forget a pinned identity.
//= spec/src/identities.md#idn-33
//= type=test
//# A store MUST bound the memory that it gives to the histories of identities that are not pinned.
//= spec/src/identities.md#idn-34
//= type=test
//# A store that is full MUST forget first the unpinned identity that was unused for longest.
#[test]
fn a_flood_of_strangers_evicts_only_the_strangers_unused_for_longest() {
    let mut owner = Owner::new(23);
    let mut store = MemoryStore::new(4 * (128 + 128));
    let pinned = owner.create(SigningKind::Ed25519);
    store.pin(&pinned).unwrap();
    let strangers: Vec<Identity> = (0..40).map(|_| owner.create(SigningKind::Ed25519)).collect();
    stored(&mut store, &strangers[0]);
    for (i, stranger) in strangers.iter().enumerate().skip(1) {
        stored(&mut store, stranger);
        // The first one is used all the time, and stays.
        assert_eq!(loaded(&mut store, &strangers[0]).as_deref(), Some(strangers[0].export()));
        assert_eq!(store.len(), 1 + (i + 1).min(4));
    }
    assert!(loaded(&mut store, &strangers[39]).is_some());
    assert!(loaded(&mut store, &strangers[37]).is_some());
    assert!(loaded(&mut store, &strangers[36]).is_none());
    assert_eq!(loaded(&mut store, &pinned).as_deref(), Some(pinned.export()));
    // Storing the same identity again costs nothing more.
    stored(&mut store, &strangers[0]);
    assert_eq!(store.len(), 5);

    let request = StoreRequest::Store(strangers[1].identifier(), alloc::vec![0; 2000]);
    refused(store.answer(&request), Blame::Limit, "IDN-33");
    assert_eq!(store.len(), 5);
}

#[test]
fn what_strangers_share_holds_a_history_that_just_fits_and_none_that_is_a_byte_too_long() {
    let identity = Owner::new(26).create(SigningKind::Ed25519);
    let cost = identity.export().len() + 128;
    stored(&mut MemoryStore::new(cost), &identity);
    let request = StoreRequest::Store(identity.identifier(), identity.export().to_vec());
    refused(MemoryStore::new(cost - 1).answer(&request), Blame::Limit, "IDN-33");
}

#[test]
fn a_pinned_identity_stays_pinned_when_it_rotates() {
    let mut owner = Owner::new(24);
    let mut store = MemoryStore::new(0);
    let first = owner.create(SigningKind::Ed25519);
    store.pin(&first).unwrap();
    let second = owner.rotate(&first, SigningKind::Ed25519, NOW).unwrap();
    stored(&mut store, &second);
    assert_eq!(loaded(&mut store, &first).as_deref(), Some(second.export()));
    refused(store.pin(&first), Blame::Misbehaved, "IDN-28");
    assert_eq!(loaded(&mut store, &first).as_deref(), Some(second.export()));
}

//= spec/src/identities.md#idn-35
//= type=test
//# A store MUST refuse a history that does not continue the one that it keeps of the identity, unless it is the same.
#[test]
fn a_store_that_has_learned_more_since_it_was_asked_keeps_what_it_knows() {
    let mut owner = Owner::new(25);
    let mut twin = Owner::new(25);
    let first = owner.create(SigningKind::Ed25519);
    twin.create(SigningKind::Ed25519);
    let second = owner.rotate(&first, SigningKind::Ed25519, NOW).unwrap();
    let fork = twin.rotate(&first, SigningKind::P256, NOW).unwrap();
    let third = owner.rotate(&second, SigningKind::Ed25519, NOW).unwrap();
    for pinned in [false, true] {
        let mut store = MemoryStore::default();
        if pinned {
            store.pin(&first).unwrap();
        }
        // Three channels were told at once that only the first change is known; the newest history comes first.
        stored(&mut store, &third);
        for (late, requirement) in [(&second, "IDN-28"), (&fork, "IDN-29")] {
            let request = StoreRequest::Store(late.identifier(), late.export().to_vec());
            refused(store.answer(&request), Blame::Misbehaved, requirement);
            assert_eq!(loaded(&mut store, &first).as_deref(), Some(third.export()));
        }
        stored(&mut store, &third);
    }
}
