//! One key alone answers as the vault that holds it.

use super::super::*;
use super::refused;
use crate::env::Seeded;
use crate::error::Blame;

#[test]
fn one_static_key_agrees_as_in_a_vault_and_does_nothing_else() {
    let mut vault = SoftwareVault::new();
    let public = vault.import_static_key(&[5; 32]);
    let key = StaticKey::<X25519>::new(SecretKey::new([5; 32]));
    assert_eq!(key.public(), public);
    let peer = vault.generate_static_key(&mut Seeded::from_u64(1));
    let request = Request::StaticDh(KeyHandle::of(&public.0), peer);
    let [Ok(Answer::Shared(alone)), Ok(Answer::Shared(in_vault))] = [key.answer(&request), vault.answer(&request)]
    else {
        panic!("both agree")
    };
    assert_eq!(alone.0, in_vault.0);
    for other in [Request::StaticDh(KeyHandle::of(&peer.0), peer), Request::Sign(KeyHandle::of(&public.0), [7; 32])] {
        //= spec/src/vaults.md#vlt-31
        //= type=test
        //# A vault MUST refuse to use a key for another operation than the one it was made for.
        refused(key.answer(&other), Blame::Misuse, "VLT-31");
    }
    //= spec/src/vaults.md#vlt-32
    //= type=test
    //# A vault MUST refuse a static Diffie-Hellman whose result is all zeros.
    refused(key.agree(&PublicKey([0; 32])), Blame::Misbehaved, "VLT-32");
    assert!(!format!("{key:?}").contains("secret"));
}
