#[cfg(feature = "p256")]
mod signing;
mod static_key;
mod suites;
#[cfg(not(feature = "p256"))]
mod without_p256;

use core::fmt;

use crate::error::{Blame, Result};

#[track_caller]
fn refused<T: fmt::Debug>(result: Result<T>, blame: Blame, id: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.blame(), error.requirement()), (blame, id), "{error}");
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}
