//! The committed seeds of the fuzz targets: one archive, byte-identical whenever it is made of the same seeds.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

/// The archive.
pub(crate) const ARCHIVE: &str = "fuzz/corpus.tar.gz";

/// Where the archive is unpacked to, and where fuzzers add what they find: cargo-fuzz's own place, outside of git.
pub(crate) const WORKING: &str = "fuzz/corpus";

/// Where a seed comes from: a folder below its target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Found by a fuzzer, and kept because it covers something that no other seed does.
    Found,
    /// Made by hand: inputs that once failed, and stories that are hard to find.
    Kept,
    /// Made from the vectors.
    Vectors,
}

impl Origin {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Found, Self::Kept, Self::Vectors];

    /// The name of the folder.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Kept => "kept",
            Self::Vectors => "vectors",
        }
    }
}

/// The seeds of all targets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Corpus {
    /// By target, origin and name.
    pub(crate) seeds: BTreeMap<(String, Origin, String), Vec<u8>>,
}

type Result<T> = core::result::Result<T, Box<dyn std::error::Error>>;

impl Corpus {
    /// Reads the committed archive.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        Self::unpack(&fs::read(root.join(ARCHIVE))?)
    }

    fn unpack(archive: &[u8]) -> Result<Self> {
        let mut seeds = BTreeMap::new();
        for entry in tar::Archive::new(GzDecoder::new(archive)).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_str().ok_or("a name that is no text")?.to_owned();
            let [target, folder, name] = path.split('/').collect::<Vec<_>>()[..] else {
                return Err(format!("{path} is not <target>/<origin>/<name>").into());
            };
            let origin = Origin::ALL.into_iter().find(|origin| origin.folder() == folder).ok_or("no such origin")?;
            let key = (target.to_owned(), origin, name.to_owned());
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            seeds.insert(key, bytes);
        }
        Ok(Self { seeds })
    }

    /// The archive's bytes: sorted by name, without times, owners or anything else of this machine.
    pub(crate) fn pack(&self) -> Result<Vec<u8>> {
        let gzip = GzBuilder::new().write(Vec::new(), Compression::best());
        let mut archive = tar::Builder::new(gzip);
        for ((target, origin, name), bytes) in &self.seeds {
            let mut header = tar::Header::new_ustar();
            header.set_size(u64::try_from(bytes.len())?);
            header.set_mode(0o644);
            header.set_mtime(0);
            archive.append_data(&mut header, format!("{target}/{}/{name}", origin.folder()), bytes.as_slice())?;
        }
        Ok(archive.into_inner()?.finish()?)
    }

    /// The seeds of one target.
    pub(crate) fn of<'a>(&'a self, target: &'a str) -> impl Iterator<Item = (Origin, &'a str, &'a [u8])> {
        self.seeds
            .iter()
            .filter(move |((of, ..), _)| of == target)
            .map(|((_, origin, name), bytes)| (*origin, name.as_str(), bytes.as_slice()))
    }

    /// Adds a file as a seed of its name.
    pub(crate) fn add(&mut self, target: &str, origin: Origin, file: &Path) -> Result<()> {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("a name that is no text")?;
        self.seeds.insert((target.to_owned(), origin, name.to_owned()), fs::read(file)?);
        Ok(())
    }

    /// Takes away all seeds of one target and origin.
    pub(crate) fn clear(&mut self, target: &str, origin: Origin) {
        self.seeds.retain(|(of, from, _), _| (of.as_str(), *from) != (target, origin));
    }

    /// Lays the seeds out in the working corpora. What fuzzers have added there stays.
    pub(crate) fn lay_out(&self, root: &Path) -> Result<()> {
        for (name, _) in razor::fuzzing::TARGETS {
            for origin in Origin::ALL {
                let folder = root.join(WORKING).join(name).join(origin.folder());
                if folder.exists() {
                    fs::remove_dir_all(&folder)?;
                }
                fs::create_dir_all(&folder)?;
            }
            for (origin, seed, bytes) in self.of(name) {
                fs::write(root.join(WORKING).join(name).join(origin.folder()).join(seed), bytes)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_gives_back_what_was_put_in_and_is_the_same_every_time() {
        let mut corpus = Corpus::default();
        for (target, origin, name) in [("route", Origin::Vectors, "b"), ("cbor", Origin::Kept, "a")] {
            corpus.seeds.insert((target.to_owned(), origin, name.to_owned()), name.as_bytes().repeat(700));
        }
        let archive = corpus.pack().unwrap();
        assert_eq!(Corpus::unpack(&archive).unwrap(), corpus);
        assert_eq!(corpus.pack().unwrap(), archive);
        corpus.clear("route", Origin::Found);
        assert_eq!((corpus.of("route").count(), corpus.of("cbor").count()), (1, 1));
        corpus.clear("route", Origin::Vectors);
        assert_eq!((corpus.of("route").count(), corpus.of("cbor").count()), (0, 1));
    }

    #[test]
    fn an_archive_with_a_stray_file_is_refused() {
        let mut archive = tar::Builder::new(GzBuilder::new().write(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        archive.append_data(&mut header, "route/stray", [0].as_slice()).unwrap();
        let bytes = archive.into_inner().unwrap().finish().unwrap();
        assert!(Corpus::unpack(&bytes).is_err());
    }
}
