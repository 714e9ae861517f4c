//! The list of everything that can be checked.

use crate::captures;
use crate::report::{Options, Progress, Row};

/// Data of one source that is checked together.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Who made the data: `noise`, `wycheproof`, `ockam`, `razor`, `live`.
    pub source: &'static str,
    /// Which of their data; unique within the source.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    pub(crate) check: fn(&Options, &mut dyn FnMut(Progress)) -> Vec<Row>,
}

impl Section {
    /// Checks everything in the section, calling `progress` after each case.
    pub fn run(&self, options: &Options, progress: &mut dyn FnMut(Progress)) -> Vec<Row> {
        (self.check)(options, progress)
    }

    /// Whether `selector` selects this section: `source`, `name`, or `source/name`.
    pub fn selected_by(&self, selector: &str) -> bool {
        match selector.split_once('/') {
            Some((source, name)) => source == self.source && name == self.name,
            None => selector == self.source || selector == self.name,
        }
    }
}

/// All sections, in the order of the report.
pub fn sections() -> &'static [Section] {
    &[Section {
        source: "ockam",
        name: "captures",
        about: "sessions recorded from production, replayed in both roles",
        check: captures::embedded,
    }]
}
