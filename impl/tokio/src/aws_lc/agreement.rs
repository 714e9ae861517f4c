//! X25519.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519 as ALGORITHM, agree};
use razor::error::Result;
use razor::vault::{self, Agreement, PublicKey, SecretKey, SharedSecret};

/// X25519 of RFC 7748.
#[derive(Debug, Clone, Copy)]
pub struct X25519;

impl Agreement for X25519 {
    fn public_key(secret: &SecretKey) -> PublicKey {
        let own = PrivateKey::from_private_key(&ALGORITHM, secret.as_bytes()).ok();
        let public = own.and_then(|own| own.compute_public_key().ok());
        match public.and_then(|public| public.as_ref().try_into().ok()) {
            Some(public) => PublicKey(public),
            // AWS-LC takes any 32 bytes; whatever it says of some, they are a key.
            None => vault::X25519::public_key(secret),
        }
    }

    fn agree(secret: &SecretKey, peer: &PublicKey) -> SharedSecret {
        //= spec/src/vaults.md#vlt-10
        //# Key agreement MUST be X25519 of RFC 7748: the secret is clamped, and the highest bit of the public key masked.
        let shared = PrivateKey::from_private_key(&ALGORITHM, secret.as_bytes()).map_err(|_| ()).and_then(|own| {
            let peer = UnparsedPublicKey::new(&ALGORITHM, peer.0.as_slice());
            agree(&own, peer, (), |shared| shared.try_into().map(SharedSecret).map_err(|_| ()))
        });
        // AWS-LC refuses results of zeros. Here they are a result, which the callers refuse.
        shared.unwrap_or(SharedSecret([0; 32]))
    }

    fn validate(key: &PublicKey) -> Result<()> {
        vault::X25519::validate(key)
    }
}
