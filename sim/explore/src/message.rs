//! Everything that was ever said, by number.

use std::collections::BTreeMap;

use crate::scenario::End;

/// A message: equal bytes are one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageId(pub(crate) u16);

/// What an application says: the end that sends it, and which of this end's texts it is, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text {
    pub(crate) end: usize,
    pub(crate) number: u8,
}

impl Text {
    /// What stands before its numbers.
    const MARK: &[u8] = b"this is the tracked text number ";

    /// Its bytes: nothing but it has them.
    pub(crate) fn bytes(self) -> Vec<u8> {
        [Self::MARK, &[self.number, u8::try_from(self.end).expect("few ends")]].concat()
    }

    /// The text that these bytes are.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [number, end] = bytes.strip_prefix(Self::MARK)?.try_into().ok()?;
        Some(Self { number, end: usize::from(end) })
    }

    /// A text that stands somewhere in these bytes.
    pub(crate) fn find(bytes: &[u8]) -> Option<Self> {
        bytes.windows(Self::MARK.len() + 2).find_map(Self::read)
    }
}

/// What a message is to whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Message 1 of a handshake.
    First,
    /// Message 2, in answer to this.
    Second(MessageId),
    /// Message 3, in answer to this.
    Third(MessageId),
    /// A text under the encryption of a channel.
    Text(Text),
    /// The end of a channel.
    Close,
    /// Another with a byte changed, or one more.
    Changed(MessageId),
}

/// A message and where it is from.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) bytes: Vec<u8>,
    /// Whose it is; nobody's when the attacker made it.
    pub(crate) from: Option<End>,
    pub(crate) kind: Kind,
    /// What the attacker says that it is, for stories.
    note: &'static str,
    /// This one, and what the attacker can make of it alone.
    pub(crate) gives: MessageSet,
}

/// All messages.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    said: Vec<Said>,
    by_bytes: BTreeMap<Vec<u8>, MessageId>,
}

impl Messages {
    /// The number of these bytes, and whether they are new.
    pub(crate) fn add(
        &mut self,
        bytes: Vec<u8>,
        from: Option<End>,
        kind: Kind,
        note: &'static str,
    ) -> (MessageId, bool) {
        if let Some(id) = self.by_bytes.get(&bytes) {
            return (*id, false);
        }
        let id = MessageId(u16::try_from(self.said.len()).expect("few messages"));
        self.by_bytes.insert(bytes.clone(), id);
        self.said.push(Said { bytes, from, kind, note, gives: MessageSet::of(id) });
        (id, true)
    }

    /// Remembers what the attacker makes of a message.
    pub(crate) fn derive(&mut self, id: MessageId, made: MessageSet) {
        let gives = &mut self.said[usize::from(id.0)].gives;
        *gives = gives.union(made);
    }

    pub(crate) fn get(&self, id: MessageId) -> &Said {
        &self.said[usize::from(id.0)]
    }

    pub(crate) fn len(&self) -> usize {
        self.said.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (MessageId, &Said)> {
        (0..).map(MessageId).zip(&self.said)
    }

    /// What it is, for stories.
    pub(crate) fn name(&self, id: MessageId) -> String {
        let Said { kind, note, .. } = self.get(id);
        let whose = self.owner(id);
        match kind {
            Kind::First => format!("message 1 of {whose}"),
            Kind::Second(to) => format!("message 2 of {whose} ({note}to {})", self.short_name(*to)),
            Kind::Third(to) => format!("message 3 of {whose} ({note}to {})", self.short_name(*to)),
            Kind::Text(text) => format!("text {} of {whose}", text.number + 1),
            Kind::Close => format!("the close of {whose}"),
            Kind::Changed(original) => format!("{} {note}", self.name(*original)),
        }
    }

    fn owner(&self, id: MessageId) -> String {
        self.get(id).from.map_or_else(|| "the attacker".to_owned(), |end| end.name())
    }

    /// What was answered: the owner of a message that is to be answered, the name of any other.
    fn short_name(&self, id: MessageId) -> String {
        if matches!(self.get(id).kind, Kind::First | Kind::Second(_)) { self.owner(id) } else { self.name(id) }
    }
}

/// A set of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MessageSet([u64; Self::WORDS]);

impl MessageSet {
    const WORDS: usize = 16;

    pub(crate) fn of(id: MessageId) -> Self {
        let mut set = Self::default();
        set.insert(id);
        set
    }

    pub(crate) fn insert(&mut self, MessageId(id): MessageId) {
        let word = self.0.get_mut(usize::from(id / 64)).expect("the bounds are too wide: more than 1024 messages");
        *word |= 1 << (id % 64);
    }

    pub(crate) fn contains(&self, MessageId(id): MessageId) -> bool {
        self.0[usize::from(id / 64)] & (1 << (id % 64)) != 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// What is in this one and not in the other.
    pub(crate) fn without(self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    pub(crate) fn intersection(self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    pub(crate) fn is_subset(&self, of: &Self) -> bool {
        self.0.iter().zip(of.0).all(|(own, of)| own & !of == 0)
    }

    pub(crate) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = MessageId> {
        (0u16..).zip(self.0).flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros() as u16)?;
                word &= word - 1;
                Some(MessageId(at * 64 + bit))
            })
        })
    }
}

impl FromIterator<MessageId> for MessageSet {
    fn from_iter<I: IntoIterator<Item = MessageId>>(ids: I) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_its_messages_in_order_and_knows_what_it_has() {
        let ids = [0, 63, 64, 1023].map(MessageId);
        let set: MessageSet = ids.into_iter().rev().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), ids);
        assert!(set.contains(MessageId(64)) && !set.contains(MessageId(65)) && set.len() == 4);
        let less = set.without(&MessageSet::of(MessageId(64)));
        assert!(less.is_subset(&set) && !set.is_subset(&less));
        assert_eq!((less.union(set), less.intersection(&set)), (set, less));
    }

    #[test]
    fn a_text_is_read_from_its_bytes_and_found_among_others() {
        let text = Text { end: 3, number: 41 };
        assert_eq!(Text::read(&text.bytes()), Some(text));
        assert_eq!(Text::find(&[b"before ", &text.bytes()[..], b" after"].concat()), Some(text));
        assert_eq!(Text::read(&[&text.bytes()[..], &[0]].concat()), None);
        assert_eq!(Text::find(b"this is the tracked text"), None);
    }
}
