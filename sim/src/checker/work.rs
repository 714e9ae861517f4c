//! Bounded work: what a message that nobody authenticated makes its receiver do, counted.

use crate::host::Work;

use super::{Property, Violation};

/// The most that a forged message costs. It meets at most one key that is tried, after one that is derived for it; or a
/// handshake that tries it with the keys of two of its messages.
const FORGED: Work = Work { agreements: 4, texts: 6, requests: 1 };

/// Checks what a forged message made `node` do.
pub fn check_work(node: usize, done: Work) -> Result<(), Violation> {
    let within = done.agreements <= FORGED.agreements && done.texts <= FORGED.texts && done.requests <= FORGED.requests;
    if within {
        Ok(())
    } else {
        Err(Violation::new(Property::Work, node, format!("a forged message cost {done:?}, the most is {FORGED:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_operation_too_many_is_noticed() {
        assert_eq!(check_work(0, FORGED), Ok(()));
        for more in [
            Work { agreements: FORGED.agreements + 1, ..FORGED },
            Work { texts: FORGED.texts + 1, ..FORGED },
            Work { requests: FORGED.requests + 1, ..FORGED },
        ] {
            assert_eq!(check_work(0, more).unwrap_err().property, Property::Work);
        }
    }
}
