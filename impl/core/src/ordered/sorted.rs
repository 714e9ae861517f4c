//! Sorted arrays with the methods of the standard library's trees, as far as they are used.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::iter;
use core::ops::{Bound, RangeBounds};
use core::slice;

/// Keys and values, by key.
#[derive(Debug, Clone)]
pub(crate) struct Map<K, V>(Vec<(K, V)>);

/// Keys.
#[derive(Debug, Clone)]
pub(crate) struct Set<K>(Map<K, ()>);

/// The entries of a map, by key.
pub(crate) type Iter<'a, K, V> = iter::Map<slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

/// The keys of a set, in order.
pub(crate) type Keys<'a, K> = iter::Map<Iter<'a, K, ()>, fn((&'a K, &'a ())) -> &'a K>;

const fn pair<K, V>(entry: &(K, V)) -> (&K, &V) {
    (&entry.0, &entry.1)
}

const fn key<'a, K>(entry: (&'a K, &'a ())) -> &'a K {
    entry.0
}

impl<K, V> Map<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        self.into_iter()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> Map<K, V> {
    /// Where the key is, or where it would be.
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// The value that the key had before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, before)| core::mem::replace(before, value)),
            Err(at) => {
                self.grow();
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
    }

    pub(crate) fn range(&self, keys: impl RangeBounds<K>) -> Iter<'_, K, V> {
        let below = |bound: &K, inclusive: Ordering| self.0.partition_point(|(key, _)| key.cmp(bound) < inclusive);
        let from = match keys.start_bound() {
            Bound::Included(key) => below(key, Ordering::Equal),
            Bound::Excluded(key) => below(key, Ordering::Greater),
            Bound::Unbounded => 0,
        };
        let to = match keys.end_bound() {
            Bound::Included(key) => below(key, Ordering::Greater),
            Bound::Excluded(key) => below(key, Ordering::Equal),
            Bound::Unbounded => self.0.len(),
        };
        self.0.get(from..to).unwrap_or_default().iter().map(pair)
    }

    /// Room for one more: half as much again, and not the double, because memory is what there is least of.
    fn grow(&mut self) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact((self.0.len() / 2).max(1));
        }
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(pair)
    }
}

impl<K> Set<K> {
    pub(crate) const fn new() -> Self {
        Self(Map::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> Keys<'_, K> {
        self.0.iter().map(key)
    }

    pub(crate) fn first(&self) -> Option<&K> {
        self.iter().next()
    }

    pub(crate) fn last(&self) -> Option<&K> {
        self.iter().next_back()
    }
}

impl<K: Ord> Set<K> {
    #[cfg(test)]
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// Whether it was not there before.
    pub(crate) fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    pub(crate) fn range(&self, keys: impl RangeBounds<K>) -> Keys<'_, K> {
        self.0.range(keys).map(key)
    }
}

impl<K> Default for Set<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord> Extend<K> for Set<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        for key in keys {
            self.insert(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u8),
        Remove(u8),
        Change(u8, u8),
        PopFirst,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0..20u8;
        prop_oneof![
            4 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
            2 => key.clone().prop_map(Step::Remove),
            1 => (key, any::<u8>()).prop_map(|(key, value)| Step::Change(key, value)),
            1 => Just(Step::PopFirst),
        ]
    }

    proptest! {
        #[test]
        fn an_array_says_what_a_tree_says(steps in proptest::collection::vec(step(), 0..60)) {
            let (mut map, mut tree) = (Map::new(), BTreeMap::new());
            let (mut set, mut keys) = (Set::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(map.insert(key, value), tree.insert(key, value));
                        prop_assert_eq!(set.insert(key), keys.insert(key));
                    }
                    Step::Remove(key) => {
                        prop_assert_eq!(map.remove(&key), tree.remove(&key));
                        prop_assert_eq!(set.remove(&key), keys.remove(&key));
                    }
                    Step::Change(key, value) => {
                        prop_assert_eq!(map.get_mut(&key).map(|at| *at = value), tree.get_mut(&key).map(|at| *at = value));
                    }
                    Step::PopFirst => {
                        prop_assert_eq!(map.pop_first(), tree.pop_first());
                        prop_assert_eq!(set.first().copied().map(|first| set.remove(&first)), keys.pop_first().map(|_| true));
                    }
                }
                prop_assert!(map.iter().eq(tree.iter()) && set.iter().eq(keys.iter()));
                prop_assert!(map.keys().eq(tree.keys()) && map.values().eq(tree.values()));
                prop_assert_eq!((map.len(), map.is_empty()), (tree.len(), tree.is_empty()));
                prop_assert_eq!((set.len(), set.is_empty()), (keys.len(), keys.is_empty()));
                prop_assert_eq!((map.first_key_value(), set.last()), (tree.first_key_value(), keys.last()));
            }
            for key in 0..20 {
                prop_assert_eq!((map.get(&key), map.contains_key(&key)), (tree.get(&key), tree.contains_key(&key)));
                prop_assert_eq!(set.contains(&key), keys.contains(&key));
                for other in key..20 {
                    prop_assert!(map.range(key..other).eq(tree.range(key..other)));
                    prop_assert!(map.range(key..=other).eq(tree.range(key..=other)));
                }
                prop_assert!(set.range(key..).eq(keys.range(key..)) && set.range(..key).eq(keys.range(..key)));
            }
        }
    }
}
