//! `razor sim pcap`: the frames of a world, for network tools.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use clap::Args;
use razor_sim::pcap;

use crate::failure::{Failure, Result};

use super::family::Which;

/// Write the frames of a world as a PCAP file
///
/// Streams are TCP from and to port 4000 of 10.0.x.y, datagrams UDP: `tshark -r FILE` reads it. Exits with 0 if the file
/// is written, whatever came of the world.
#[derive(Debug, Args)]
pub(super) struct Pcap {
    #[command(flatten)]
    which: Which,
    /// The file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Pcap {
    /// Runs the world and writes what it sent.
    pub(super) fn run(self) -> Result {
        let report = razor_sim::run(self.which.plan()?, |world| world.keeping(usize::MAX));
        let failed = |error| Failure::file("write", &self.output, &error);
        let mut file = BufWriter::new(File::create(&self.output).map_err(failed)?);
        let written = pcap::write(&report.plan, &report.entries, &mut file).map_err(failed)?;
        file.flush().map_err(failed)?;
        crate::outln!("{report}");
        crate::outln!("{}: {} packets", self.output.display(), written.packets);
        if written.cut > 0 {
            crate::outln!("{} datagrams are longer than UDP carries, and were cut", written.cut);
        }
        Ok(super::verdict(true))
    }
}
