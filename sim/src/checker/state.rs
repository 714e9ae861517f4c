//! No trusted state changes on forgery.

use razor::machine::Snapshot;

use super::{Property, Violation};

/// A host's trusted state before a forged input, and how many workers it had.
#[derive(Debug)]
pub struct Guard(Snapshot, usize);

impl Guard {
    /// Takes the picture.
    pub fn before(picture: Snapshot, workers: usize) -> Self {
        Self(picture, workers)
    }

    /// Compares it with the picture afterwards.
    pub fn after(self, node: usize, picture: &Snapshot, workers: usize) -> Result<(), Violation> {
        let detail = if self.0 != *picture {
            "a forged message changed trusted state"
        } else if self.1 > workers {
            // Garbage may begin a handshake at a listener, and end none.
            "a forged message stopped a worker"
        } else {
            return Ok(());
        };
        Err(Violation::new(Property::TrustedState, node, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(number: u64) -> Snapshot {
        let mut picture = Snapshot::new();
        picture.number(number);
        picture
    }

    #[test]
    fn a_changed_number_is_noticed() {
        assert_eq!(Guard::before(picture(1), 5).after(0, &picture(1), 5), Ok(()));
        let violation = Guard::before(picture(1), 5).after(3, &picture(2), 5).unwrap_err();
        assert_eq!((violation.property, violation.node), (Property::TrustedState, Some(3)));
        assert!(Guard::before(picture(1), 5).after(3, &picture(1), 4).is_err());
    }
}
