//! Confidentiality: secrets that are known to the world and must not be known to its links.

use memchr::memmem::Finder;

use super::{MARK, Property, Violation};

/// Secrets are looked for by words of this many bytes.
const WORD: usize = 8;

/// Looks for secrets in what outsiders see.
///
/// Frames are many and secrets are too: wherever a secret of 15 bytes or more stands in a frame, it covers a whole word
/// that begins at a multiple of eight bytes. So only those words are looked at, each against all that a secret may have
/// there.
#[derive(Debug)]
pub struct Watch {
    mark: Finder<'static>,
    secrets: Vec<Vec<u8>>,
    /// The words of all secrets, with the secret and where in it they begin; in order.
    words: Vec<([u8; WORD], usize, usize)>,
    /// Which first two bytes a word may have.
    first: Vec<bool>,
}

impl Default for Watch {
    fn default() -> Self {
        Self { mark: Finder::new(&MARK), secrets: Vec::new(), words: Vec::new(), first: vec![false; 1 << 16] }
    }
}

impl Watch {
    /// Adds something that must never be seen.
    pub fn guard(&mut self, secret: Vec<u8>) {
        assert!(secret.len() >= 2 * WORD - 1, "a secret covers a word wherever it stands");
        for (offset, word) in secret.windows(WORD).take(WORD).enumerate() {
            let word: [u8; WORD] = word.try_into().expect("a window of that size");
            self.first[Self::first_of(&word)] = true;
            let place = self.words.partition_point(|(other, ..)| *other < word);
            self.words.insert(place, (word, self.secrets.len(), offset));
        }
        self.secrets.push(secret);
    }

    /// Examines bytes on a link, or in an adversary's hands.
    pub fn examine(&self, node: usize, bytes: &[u8]) -> Result<(), Violation> {
        let no = |detail: String| Err(Violation::new(Property::Confidentiality, node, detail));
        if self.mark.find(bytes).is_some() {
            return no("a payload left the node in the clear".into());
        }
        for (number, word) in bytes.as_chunks::<WORD>().0.iter().enumerate() {
            if self.first[Self::first_of(word)]
                && let Some(secret) = self.secret_at(bytes, number * WORD, word)
            {
                return no(format!("secret {secret} left the node in the clear"));
            }
        }
        Ok(())
    }

    fn first_of(word: &[u8; WORD]) -> usize {
        usize::from(u16::from_le_bytes([word[0], word[1]]))
    }

    /// The secret of which this word, which begins there, is a part.
    fn secret_at(&self, bytes: &[u8], at: usize, word: &[u8; WORD]) -> Option<usize> {
        let from = self.words.partition_point(|(other, ..)| other < word);
        let same = self.words[from..].iter().take_while(|(other, ..)| other == word);
        let mut whole = same.filter(|(_, secret, offset)| {
            at.checked_sub(*offset).is_some_and(|start| bytes[start..].starts_with(&self.secrets[*secret]))
        });
        whole.next().map(|(_, secret, _)| *secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let mut watch = Watch::default();
        let secrets: [&[u8]; 2] = [b"the static key of a node", b"the identity"];
        watch.guard(secrets[0].to_vec());
        watch.guard([secrets[1], b" of another"].concat());
        for before in (0..20).chain([300]) {
            for after in [0, 1, 7, 300] {
                let seen = [vec![b't'; before], secrets[0].to_vec(), vec![b't'; after]].concat();
                assert_eq!(
                    watch.examine(2, &seen).unwrap_err().property,
                    Property::Confidentiality,
                    "{before} {after}"
                );
            }
        }
        assert_eq!(watch.examine(2, b"the static key of a nod"), Ok(()));
        assert_eq!(watch.examine(2, b"........the identity of an"), Ok(()));
        assert_eq!(watch.examine(2, &MARK).unwrap_err().property, Property::Confidentiality);
    }
}
