//! Agreement: who accepted whom.

use razor::identity::Identifier;

use super::{Property, Violation};

/// Who may be accepted by whom.
#[derive(Debug)]
pub struct Agreement {
    first: Identifier,
    last: Identifier,
    last_node: usize,
    /// Who is welcome at the last node besides.
    guest: Option<Identifier>,
}

impl Agreement {
    /// The two ends of the line trust one another and nobody else.
    pub fn new(first: Identifier, last: Identifier, last_node: usize) -> Self {
        Self { first, last, last_node, guest: None }
    }

    /// The last node trusts `guest` as well.
    #[must_use]
    pub fn welcoming(self, guest: Identifier) -> Self {
        Self { guest: Some(guest), ..self }
    }

    /// Whether `peer` is at `node` as a guest: a stranger who may open channels there, and say what he likes.
    pub fn is_guest(&self, node: usize, peer: &Identifier) -> bool {
        node == self.last_node && self.guest.as_ref() == Some(peer)
    }

    /// `node` says that it has a channel with `peer`.
    pub fn opened(&self, node: usize, peer: &Identifier) -> Result<(), Violation> {
        let expected = match node {
            0 => self.last,
            node if node == self.last_node => self.first,
            // The others do not trust anybody in particular.
            _ => return Ok(()),
        };
        if *peer == expected || self.is_guest(node, peer) {
            Ok(())
        } else {
            Err(Violation::new(
                Property::Agreement,
                node,
                format!("a channel with {peer} was opened, who is not trusted here"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_stranger_is_noticed() {
        let (alice, bob, mallory) = (Identifier([1; 32]), Identifier([2; 32]), Identifier([3; 32]));
        let agreement = Agreement::new(alice, bob, 3);
        assert_eq!(agreement.opened(0, &bob), Ok(()));
        assert_eq!(agreement.opened(3, &alice), Ok(()));
        for (node, peer) in [(0, mallory), (0, alice), (3, mallory), (3, bob)] {
            assert_eq!(agreement.opened(node, &peer).unwrap_err().property, Property::Agreement);
        }
    }

    #[test]
    fn a_guest_is_welcome_at_the_last_node_and_nowhere_else() {
        let (alice, bob, mallory, eve) =
            (Identifier([1; 32]), Identifier([2; 32]), Identifier([3; 32]), Identifier([4; 32]));
        let agreement = Agreement::new(alice, bob, 3).welcoming(mallory);
        assert_eq!([agreement.opened(3, &mallory), agreement.opened(3, &alice)], [Ok(()), Ok(())]);
        assert!(agreement.opened(0, &mallory).is_err() && agreement.opened(3, &eve).is_err());
    }
}
