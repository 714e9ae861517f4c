//! Confidentiality: secrets that are known to the world and must not be known to its links.

use super::{MARK, Property, Violation};

/// Looks for secrets in what outsiders see.
#[derive(Debug, Default)]
pub struct Watch {
    secrets: Vec<Vec<u8>>,
}

impl Watch {
    /// Adds something that must never be seen.
    pub fn guard(&mut self, secret: Vec<u8>) {
        assert!(secret.len() >= 8, "a secret is long enough not to be met by chance");
        self.secrets.push(secret);
    }

    /// Examines bytes on a link, or in the middle's hands.
    pub fn examine(&self, node: usize, bytes: &[u8]) -> Result<(), Violation> {
        if contains(bytes, &MARK) {
            return Err(Violation::new(Property::Confidentiality, node, "a payload left the node in the clear"));
        }
        match self.secrets.iter().position(|secret| contains(bytes, secret)) {
            Some(n) => {
                Err(Violation::new(Property::Confidentiality, node, format!("secret {n} left the node in the clear")))
            }
            None => Ok(()),
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let mut from = 0;
    while let Some(at) = haystack.get(from..).and_then(|tail| tail.iter().position(|byte| byte == first)) {
        if haystack[from + at + 1..].starts_with(rest) {
            return true;
        }
        from += at + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let mut watch = Watch::default();
        watch.guard(b"the static key".to_vec());
        for (before, after) in [(0, 0), (1, 7), (300, 0), (0, 300)] {
            let seen = [vec![b't'; before], b"the static key".to_vec(), vec![b't'; after]].concat();
            assert_eq!(watch.examine(2, &seen).unwrap_err().property, Property::Confidentiality);
        }
        assert_eq!(watch.examine(2, b"the static ke"), Ok(()));
        assert_eq!(watch.examine(2, &MARK).unwrap_err().property, Property::Confidentiality);
    }
}
