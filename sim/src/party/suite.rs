//! A suite that counts what it is made to do, thread by thread: a world has one.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use razor::error::Result;
use razor::vault::suite::Suite;
use razor::vault::{Agreement, Cipher, Key, PublicKey, SecretKey, SharedSecret, Tag};
use zeroize::ZeroizeOnDrop;

thread_local! {
    static AGREEMENTS: Cell<u64> = const { Cell::new(0) };
    static TEXTS: Cell<u64> = const { Cell::new(0) };
}

fn count(counter: &'static std::thread::LocalKey<Cell<u64>>) {
    counter.set(counter.get() + 1);
}

/// What was done on this thread since the last call: Diffie-Hellmans, texts sealed or opened.
pub(super) fn take_counts() -> (u64, u64) {
    (AGREEMENTS.take(), TEXTS.take())
}

/// `S`, counted.
pub(super) struct Counted<S>(PhantomData<fn() -> S>);

impl<S> Clone for Counted<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Counted<S> {}

impl<S: Suite> Suite for Counted<S> {
    const NAME: &'static str = S::NAME;
    type Agreement = CountedAgreement<S::Agreement>;
    type Cipher = CountedCipher<S::Cipher>;
    type Hash = S::Hash;
}

pub(super) struct CountedAgreement<A>(PhantomData<fn() -> A>);

impl<A: Agreement> Agreement for CountedAgreement<A> {
    fn public_key(secret: &SecretKey) -> PublicKey {
        count(&AGREEMENTS);
        A::public_key(secret)
    }

    fn agree(secret: &SecretKey, peer: &PublicKey) -> SharedSecret {
        count(&AGREEMENTS);
        A::agree(secret, peer)
    }

    fn validate(key: &PublicKey) -> Result<()> {
        A::validate(key)
    }
}

pub(super) struct CountedCipher<C>(C);

impl<C: Cipher> Cipher for CountedCipher<C> {
    fn new(key: &Key) -> Self {
        Self(C::new(key))
    }

    fn seal(&self, nonce: u64, data: &[u8], text: &mut [u8]) -> Result<Tag> {
        count(&TEXTS);
        self.0.seal(nonce, data, text)
    }

    fn open(&self, nonce: u64, data: &[u8], text: &mut [u8], tag: &Tag) -> Result<()> {
        count(&TEXTS);
        self.0.open(nonce, data, text, tag)
    }

    fn renewed_key(&self) -> Result<Key> {
        count(&TEXTS);
        self.0.renewed_key()
    }
}

impl<C: Cipher> ZeroizeOnDrop for CountedCipher<C> {}

impl<C> fmt::Debug for CountedCipher<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountedCipher(..)")
    }
}
