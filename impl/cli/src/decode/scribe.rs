//! Reads bytes and writes down what they are, with offsets, up to the first thing that is wrong and,
//! where an outer length says where it ends, beyond it.

use razor::wire::cbor::Reader;
use razor::{Error, Result};

use super::item::{self, Fault, Item};

/// The most fields that are written down: some ten megabytes, whatever the bytes are.
pub(crate) const FIELDS: usize = 50_000;

/// Something was wrong and is written down, or there is no more room; the structure around it cannot be read on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop;

/// What reading gives.
pub(crate) type Read<T = ()> = std::result::Result<T, Stop>;

/// A reader that keeps a record.
#[derive(Debug)]
pub(crate) struct Scribe<'a> {
    input: &'a [u8],
    base: usize,
    reader: Reader<'a>,
    items: Vec<Item>,
    /// The items before the groups that are being read, innermost last.
    outside: Vec<Vec<Item>>,
    /// How many there are, with everything in them.
    count: usize,
}

impl<'a> Scribe<'a> {
    fn new(input: &'a [u8], base: usize) -> Self {
        Self { input, base, reader: Reader::new(input), items: Vec::new(), outside: Vec::new(), count: 0 }
    }

    /// Explains all of `input`, which begins at offset `base`.
    pub(crate) fn explain(
        name: &str,
        spec: Option<&'static str>,
        input: &'a [u8],
        base: usize,
        read: impl FnOnce(&mut Self) -> Read,
    ) -> Item {
        let mut scribe = Self::new(input, base);
        let mut item = Item::new(base, input.len(), name, "");
        item.spec = spec;
        let done = read(&mut scribe);
        if done.is_ok() && !scribe.reader.is_at_end() {
            let rest = scribe.rest();
            scribe.note("not understood", rest);
            item.fault = Some(Fault::new(
                base + scribe.position(),
                &Error::malformed("COD-5", "bytes follow the end of the message"),
            ));
        } else if done.is_err() && !scribe.reader.is_at_end() {
            let rest = scribe.rest();
            scribe.note("not read", rest);
            let is_full = scribe.is_full();
            scribe.items.iter_mut().rev().take(1).for_each(|item| item.unexplained = is_full);
        }
        item.items = scribe.items;
        item
    }

    /// Bytes from the beginning of the input.
    pub(crate) fn position(&self) -> usize {
        self.reader.position()
    }

    /// The offset of the next byte in what was given to the command.
    pub(crate) fn offset(&self) -> usize {
        self.base + self.position()
    }

    /// Whether everything is read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.reader.is_at_end()
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.input[self.position()..]
    }

    fn note(&mut self, name: &str, rest: &[u8]) {
        let offset = self.offset();
        self.put(Item::new(offset, rest.len(), name, item::bytes(rest)));
    }

    /// Adds an item that was made elsewhere.
    pub(crate) fn add(&mut self, item: Item) {
        self.put(item);
    }

    fn put(&mut self, item: Item) {
        self.count += item.count();
        self.items.push(item);
    }

    fn is_full(&self) -> bool {
        self.count >= FIELDS
    }

    /// Reads with `read`; writes nothing down but a fault.
    fn read<T>(&mut self, name: &str, read: impl FnOnce(&mut Reader<'a>) -> Result<T>) -> Read<(T, usize, usize)> {
        if self.is_full() {
            return Err(Stop);
        }
        let start = self.position();
        let before = self.reader.clone();
        match read(&mut self.reader) {
            Ok(value) => Ok((value, self.base + start, self.position() - start)),
            Err(error) => {
                self.reader = before;
                let mut item = Item::new(self.base + start, 0, name, "");
                item.fault = Some(Fault::new(self.base + start, &error));
                self.put(item);
                Err(Stop)
            }
        }
    }

    /// A field that `read` reads and `show` shows.
    pub(crate) fn field<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T>,
        show: impl FnOnce(&T) -> String,
    ) -> Read<T> {
        let (value, offset, length) = self.read(name, read)?;
        self.put(Item::new(offset, length, name, show(&value)));
        Ok(value)
    }

    /// An unsigned integer.
    pub(crate) fn uint(&mut self, name: &str) -> Read<u64> {
        self.field(name, Reader::uint, u64::to_string)
    }

    /// A byte string, shown in hex.
    pub(crate) fn bytes(&mut self, name: &str) -> Read<&'a [u8]> {
        self.field(name, |r| r.bytes(usize::MAX), |bytes| item::bytes(bytes))
    }

    /// A byte string of exactly `N` bytes, shown in hex.
    pub(crate) fn array_bytes<const N: usize>(&mut self, name: &str) -> Read<[u8; N]> {
        self.field(name, Reader::array_bytes, |bytes| hex::encode(bytes))
    }

    /// An array: `read` is told how many items it announces, and reads them.
    pub(crate) fn array(
        &mut self,
        name: &str,
        spec: Option<&'static str>,
        read: impl FnOnce(&mut Self, u64) -> Read,
    ) -> Read {
        let (count, offset, _) = self.read(name, Reader::array)?;
        self.group(name, spec, offset, |scribe| read(scribe, count))
    }

    /// A structure: an array of `count` items, or of one of the counts.
    pub(crate) fn structure(
        &mut self,
        name: &str,
        spec: Option<&'static str>,
        counts: &[u64],
        read: impl FnOnce(&mut Self, u64) -> Read,
    ) -> Read {
        let allowed = |count: u64| counts.contains(&count).then_some(count);
        let array = |r: &mut Reader<'a>| {
            allowed(r.array()?)
                .ok_or(Error::malformed("COD-3", "an array has another number of items than the structure says"))
        };
        let (count, offset, _) = self.read(name, array)?;
        self.group(name, spec, offset, |scribe| read(scribe, count))
    }

    /// A choice: `[index, [field]]` or `[index, []]`. `read` reads the fields.
    pub(crate) fn choice(&mut self, name: &str, read: impl FnOnce(&mut Self, u64, u64) -> Read) -> Read {
        self.structure(name, None, &[2], |scribe, _| {
            let index = scribe.uint("choice")?;
            scribe.array("fields", None, |scribe, count| read(scribe, index, count))
        })
    }

    fn group(
        &mut self,
        name: &str,
        spec: Option<&'static str>,
        offset: usize,
        read: impl FnOnce(&mut Self) -> Read,
    ) -> Read {
        self.outside.push(std::mem::take(&mut self.items));
        let result = read(self);
        let outer = self.outside.pop().unwrap_or_default();
        let mut item = Item::new(offset, self.offset() - offset, name, "");
        item.spec = spec;
        item.items = std::mem::replace(&mut self.items, outer);
        // What is in it is counted.
        self.count += 1;
        self.items.push(item);
        result
    }

    /// A byte string that holds a structure. What is wrong inside does not stop what follows it.
    pub(crate) fn nested(
        &mut self,
        name: &str,
        spec: Option<&'static str>,
        read: impl FnOnce(&mut Scribe<'a>) -> Read,
    ) -> Read<&'a [u8]> {
        let (content, offset, length) = self.read(name, |r| r.bytes(usize::MAX))?;
        let mut item = Self::explain(name, spec, content, offset + length - content.len(), read);
        (item.offset, item.length) = (offset, length);
        self.put(item);
        Ok(content)
    }

    /// A byte string whose content nobody is held to. It is explained if it has the form that is known.
    pub(crate) fn nested_of_any_form(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Scribe<'a>) -> Read,
    ) -> Read<&'a [u8]> {
        let content = self.nested(name, None, read)?;
        if let Some(item) = self.items.last_mut().filter(|item| item.first_fault().is_some()) {
            let (offset, length) = (item.offset, item.length);
            *item = Item::new(offset, length, name, format!("of another form than is known: {}", item::bytes(content)));
        }
        Ok(content)
    }

    /// The last item; at the beginning of a group, the one before it.
    fn last(&mut self) -> Option<&mut Item> {
        self.items.last_mut().or_else(|| self.outside.iter_mut().rev().find_map(|items| items.last_mut()))
    }

    /// Writes down a fault at the last item.
    pub(crate) fn fault(&mut self, error: &Error) {
        if let Some(last) = self.last() {
            last.fault.get_or_insert(Fault::new(last.offset, error));
        }
    }

    /// Says what the last item means.
    pub(crate) fn note_value(&mut self, value: &str) {
        if let Some(last) = self.last() {
            last.value = value.into();
        }
    }

    /// A map: `read` reads one key and one value.
    pub(crate) fn map(&mut self, name: &str, mut read: impl FnMut(&mut Self) -> Read) -> Read {
        let (count, offset, _) = self.read(name, Reader::map)?;
        self.group(name, None, offset, |scribe| (0..count).try_for_each(|_| read(scribe)))
    }

    /// Raw bytes: the next `count`, shown in hex.
    pub(crate) fn raw(&mut self, name: &str, count: usize) -> Read<&'a [u8]> {
        if self.is_full() {
            return Err(Stop);
        }
        let rest = self.rest();
        let Some(bytes) = rest.get(..count) else {
            self.note(name, rest);
            self.fault(&Error::malformed("COD-4", "the message ends inside an item"));
            self.skip(rest.len());
            return Err(Stop);
        };
        self.note(name, bytes);
        self.skip(count);
        Ok(bytes)
    }

    /// Moves on by `count` bytes that are explained elsewhere.
    pub(crate) fn skip(&mut self, count: usize) {
        let position = self.position() + count;
        self.base += position;
        self.input = &self.input[position..];
        self.reader = Reader::new(self.input);
    }

    /// Everything from `offset` to here, as it was given.
    pub(crate) fn since(&self, offset: usize) -> &'a [u8] {
        offset.checked_sub(self.base).and_then(|from| self.input.get(from..self.position())).unwrap_or_default()
    }
}
