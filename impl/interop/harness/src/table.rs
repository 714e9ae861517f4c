//! What came of each scenario, as one table.

use comfy_table::{ContentArrangement, Table as Grid, presets};

/// What keeps a scenario from passing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It went wrong.
    Failed(String),
    /// One of the two cannot do it, for the reason given.
    Unsupported(String),
}

impl Stop {
    pub(crate) fn unsupported(why: impl Into<String>) -> Self {
        Self::Unsupported(why.into())
    }

    /// The same, with where it was.
    pub(crate) fn at(self, place: impl std::fmt::Display) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{place}: {why}")),
            Self::Unsupported(why) => Self::Unsupported(format!("{place}: {why}")),
        }
    }
}

impl<E: ToString> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What came of a scenario: a remark, if there is one to make.
pub(crate) type Outcome<T = String> = Result<T, Stop>;

/// Fails with a sentence unless something holds.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(Stop::Failed(otherwise())) }
}

/// One scenario with one peer in one role.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) peer: String,
    pub(crate) scenario: String,
    /// What Razor is.
    pub(crate) role: &'static str,
    pub(crate) outcome: Outcome,
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let (verdict, remark) = match &self.outcome {
            Ok(remark) => ("pass", remark),
            Err(Stop::Failed(why)) => ("FAIL", why),
            Err(Stop::Unsupported(why)) => ("unsupported", why),
        };
        [self.peer.clone(), self.scenario.clone(), self.role.into(), verdict.into(), remark.clone()]
    }
}

/// All rows, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

const HEAD: [&str; 5] = ["peer", "scenario", "Razor is the", "result", "remark"];

impl Table {
    pub(crate) fn push(&mut self, row: Row) {
        let [peer, scenario, role, verdict, _] = row.cells();
        eprintln!("{verdict:<11}  {peer}: {scenario} ({role})");
        self.rows.push(row);
    }

    pub(crate) fn failed(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.outcome, Err(Stop::Failed(_))))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        if grid.width().is_none() {
            grid.set_width(160);
        }
        grid.set_header(HEAD);
        self.rows.iter().for_each(|row| {
            grid.add_row(row.cells());
        });
        format!("{grid}\n{}\n", self.summary())
    }

    /// For the guide.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
        let mut text = line(&HEAD.map(String::from));
        text.push_str("|---|---|---|---|---|\n");
        self.rows.iter().for_each(|row| text.push_str(&line(&row.cells())));
        format!("{text}\n{}\n", self.summary())
    }

    fn summary(&self) -> String {
        let count = |is: fn(&Outcome) -> bool| self.rows.iter().filter(|row| is(&row.outcome)).count();
        let passed = count(|outcome| outcome.is_ok());
        let failed = count(|outcome| matches!(outcome, Err(Stop::Failed(_))));
        let unsupported = count(|outcome| matches!(outcome, Err(Stop::Unsupported(_))));
        format!("{passed} passed, {failed} failed, {unsupported} unsupported")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Outcome) -> Row {
        Row { peer: "peer".into(), scenario: "it works".into(), role: "initiator", outcome }
    }

    #[test]
    fn a_reason_says_where_it_was_and_stays_of_its_kind() {
        assert_eq!(Stop::from("it broke").at("message 3"), Stop::Failed("message 3: it broke".into()));
        assert_eq!(Stop::unsupported("there is none").at("Razor"), Stop::Unsupported("Razor: there is none".into()));
    }

    #[test]
    fn what_is_unsupported_is_no_failure_and_no_pass() {
        let mut table = Table::default();
        table.push(row(Ok(String::new())));
        table.push(row(Err(Stop::unsupported("there is none"))));
        assert!(!table.failed());
        table.push(row(Err("it broke".into())));
        assert!(table.failed());
        assert!(table.text().ends_with("1 passed, 1 failed, 1 unsupported\n"));
        assert!(table.markdown().contains("| peer | it works | initiator | FAIL | it broke |\n"));
    }
}
