//! Tables of numbers, the same in every run.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{HashSet, HashTable};

/// A hasher without a key: what is hashed is counted up here and comes from nobody.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // One step of SplitMix64.
        let mut word = (self.0 ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = word ^ (word >> 31);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl BuildHasher for Mixer {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

/// A set of numbers.
#[derive(Default)]
pub(crate) struct NumberSet(HashSet<u64, Mixer>);

impl NumberSet {
    /// Whether it was not there before.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        self.0.insert(number)
    }
}

/// Items in the order in which they came, each once.
pub(crate) struct Once<T> {
    items: Vec<T>,
    table: HashTable<u32>,
}

impl<T: Copy + PartialEq + std::hash::Hash> Once<T> {
    pub(crate) fn new() -> Self {
        Self { items: Vec::new(), table: HashTable::new() }
    }

    /// Its place, if it is new.
    pub(crate) fn insert(&mut self, item: T) -> Option<u32> {
        let Self { items, table } = self;
        let hash = |item: &T| Mixer::default().hash_one(item);
        let same = |at: &u32| items[*at as usize] == item;
        let hashcode = hash(&item);
        if table.find(hashcode, same).is_some() {
            return None;
        }
        let at = u32::try_from(items.len()).expect("fewer than 2^32 states");
        table.insert_unique(hashcode, at, |at| hash(&items[*at as usize]));
        items.push(item);
        Some(at)
    }

    pub(crate) fn get(&self, at: usize) -> Option<T> {
        self.items.get(at).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_the_place_at_which_they_came_first() {
        let mut once = Once::new();
        let places: Vec<_> = [7u64, 9, 7, 8, 9].into_iter().map(|item| once.insert(item)).collect();
        assert_eq!(places, [Some(0), Some(1), None, Some(2), None]);
        assert_eq!((once.len(), once.get(1), once.get(3)), (3, Some(9), None));
    }
}
