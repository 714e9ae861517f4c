//! No trusted state changes on forgery.

use razor::machine::Snapshot;

use super::{Property, Violation};

/// A host's trusted state before a forged input.
#[derive(Debug)]
pub struct Guard(Snapshot);

impl Guard {
    /// Takes the picture.
    pub fn before(picture: Snapshot) -> Self {
        Self(picture)
    }

    /// Compares it with the picture afterwards.
    pub fn after(self, node: usize, picture: &Snapshot) -> Result<(), Violation> {
        if self.0 == *picture {
            Ok(())
        } else {
            Err(Violation::new(Property::TrustedState, node, "a forged message changed trusted state"))
        }
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
        assert_eq!(Guard::before(picture(1)).after(0, &picture(1)), Ok(()));
        let violation = Guard::before(picture(1)).after(3, &picture(2)).unwrap_err();
        assert_eq!((violation.property, violation.node), (Property::TrustedState, 3));
    }
}
