mod signing;
mod suites;

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
