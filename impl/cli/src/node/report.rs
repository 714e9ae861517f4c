//! What a node says of itself: as JSON, as text for Prometheus, and for people.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum as _;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use razor_tokio::{Node, Result};
use serde::{Deserialize, Serialize};

use super::onward::Kept;
use super::settings::Through;
use crate::failure::quoted;
use crate::suite::SuiteName;

/// What does not change while a node runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The version of the program.
    pub(super) razor: String,
    /// The number of the process.
    pub(super) process: u32,
    /// How many cores it uses.
    pub(super) shards: usize,
    /// Where it listens for TCP connections.
    pub(super) listening: Vec<String>,
    /// Where it is asked for this.
    pub(super) status: String,
    /// Whom it speaks as; nobody without secure channels.
    pub(super) identity: Option<Named>,
    /// With whom it opens channels; with everybody, if nothing is said.
    pub(super) trust: Option<Vec<String>>,
    /// How channels are encrypted, if there are any.
    pub(super) suite: Option<SuiteName>,
    /// What its peers reach.
    pub(super) workers: Vec<Reached>,
}

/// An identity of this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) identifier: String,
}

/// A worker that peers reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) address: String,
    pub(super) role: Role,
    pub(super) through: Through,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// Opens secure channels.
    Channels,
    /// Sends back.
    Echo,
    /// Sends on to workers of the node.
    Hop,
    /// Sends on to another node.
    Onward,
}

/// What a node says of itself at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// The version of this form.
    version: u8,
    #[serde(flatten)]
    facts: Facts,
    uptime_seconds: u64,
    tasks: usize,
    connections: usize,
    secure_channels: usize,
    delivered: u64,
    relayouts: u64,
    unreported: u64,
    onward: Vec<Onward>,
    failures: Vec<Failures>,
}

/// A connection that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Onward {
    worker: String,
    peer: String,
    up: bool,
    made: u64,
}

/// How often a requirement was not met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Failures {
    requirement: String,
    blame: String,
    count: u64,
}

/// Whoever can be asked for a report.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) node: Node,
    pub(super) facts: Facts,
    pub(super) kept: Vec<Arc<Kept>>,
    pub(super) since: Instant,
}

impl Source {
    /// The report of now.
    pub(super) async fn report(&self) -> Result<Report> {
        let status = self.node.status().await?;
        let failures = status.failures.iter().map(|((requirement, blame), count)| Failures {
            requirement: (*requirement).into(),
            blame: blame.name().into(),
            count: *count,
        });
        Ok(Report {
            version: 1,
            facts: self.facts.clone(),
            uptime_seconds: self.since.elapsed().as_secs(),
            tasks: status.tasks,
            connections: status.connections,
            secure_channels: status.channels,
            delivered: status.delivered,
            relayouts: status.relayouts,
            unreported: status.unreported,
            onward: self.kept.iter().map(|kept| Onward::of(kept)).collect(),
            failures: failures.collect(),
        })
    }

    /// The counters of now, as Prometheus reads them.
    pub(super) async fn metrics(&self) -> Result<String> {
        let mut text = self.node.status().await?.prometheus();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP razor_uptime_seconds How long the node has been running.");
        let _ = writeln!(text, "# TYPE razor_uptime_seconds gauge");
        let _ = writeln!(text, "razor_uptime_seconds {}", self.since.elapsed().as_secs());
        let _ = writeln!(text, "# HELP razor_onward_up Whether a connection that is kept is there.");
        let _ = writeln!(text, "# TYPE razor_onward_up gauge");
        for kept in &self.kept {
            let _ = writeln!(text, "razor_onward_up{{peer={:?}}} {}", kept.connect.peer, u8::from(kept.is_up()));
        }
        Ok(text)
    }
}

impl Onward {
    fn of(kept: &Kept) -> Self {
        Self { worker: kept.connect.name.clone(), peer: kept.connect.peer.clone(), up: kept.is_up(), made: kept.made() }
    }
}

impl Facts {
    /// Adds a worker that peers reach.
    pub(super) fn worker(&mut self, address: &str, role: Role, through: Through) {
        self.workers.push(Reached { address: address.into(), role, through });
    }

    /// What to type on another machine, if there is anything to be reached.
    pub(super) fn other_side(&self) -> Option<String> {
        let at = self.listening.first()?;
        let at = at.replace("0.0.0.0:", "HOST:").replace("[::]:", "HOST:");
        let find = |role, tcp| {
            let fits = |it: &&Reached| it.role == role && (if tcp { it.through.tcp() } else { it.through.channels() });
            self.workers.iter().find(fits)
        };
        let route = |to: &str| quoted(&format!("1#{at} => {to}"));
        let channel = find(Role::Channels, true).map(|listener| {
            let trust = self.identity.iter().map(|it| format!(" --trust {}", it.identifier)).collect::<String>();
            let suite = self.other_suite().map(|suite| format!(" --suite {suite}")).unwrap_or_default();
            format!("--through {}{trust}{suite}", route(&listener.address))
        });
        let send = match (channel, find(Role::Echo, false), find(Role::Echo, true)) {
            (Some(channel), Some(echo), _) => format!("{channel} --to {}", quoted(&echo.address)),
            (_, _, Some(echo)) => format!("--to {}", route(&echo.address)),
            (Some(channel), ..) => format!("{channel} --to WORKER"),
            (None, _, None) => return None,
        };
        Some(format!("razor message send hello {send}"))
    }

    /// The suite, unless it is the usual one.
    fn other_suite(&self) -> Option<String> {
        let other = self.suite.filter(|suite| *suite != SuiteName::default())?;
        other.to_possible_value().map(|value| value.get_name().to_owned())
    }

    /// How to ask the node for its report.
    pub(super) fn show(&self, dir: Option<&Path>) -> String {
        match dir {
            Some(dir) if self.status == super::endpoint::Endpoint::of(dir).to_string() => {
                format!("razor node show --dir {}", quoted(&dir.display().to_string()))
            }
            None if self.status.starts_with("unix:") => "razor node show".into(),
            _ => format!("razor node show --status {}", quoted(&self.status)),
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for at in &self.listening {
            writeln!(f, "listens     {at}")?;
        }
        if let Some(Named { name, identifier }) = &self.identity {
            writeln!(f, "identity    {identifier} ({name})")?;
            match self.trust.as_deref() {
                None => writeln!(f, "trusts      everybody who proves an identity")?,
                Some([]) => writeln!(f, "trusts      nobody")?,
                Some(trusted) => trusted.iter().try_for_each(|it| writeln!(f, "trusts      {it}"))?,
            }
        }
        if let Some(suite) = self.other_suite() {
            writeln!(f, "suite       {suite}")?;
        }
        for Reached { address, role, through } in &self.workers {
            let role = match role {
                Role::Channels => "opens secure channels",
                Role::Echo => "sends back",
                Role::Hop => "sends on to workers of this node",
                Role::Onward => "sends on to another node",
            };
            writeln!(f, "worker      {address}: {role}; for {}", through.words())?;
        }
        writeln!(f, "status      {}", self.status)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.facts;
        writeln!(f, "razor       {}, process {}, up for {} s", facts.razor, facts.process, self.uptime_seconds)?;
        write!(f, "{facts}")?;
        for Onward { worker, peer, up, made } in &self.onward {
            let state = if *up { "connected" } else { "not connected" };
            writeln!(f, "onward      {worker}: {state} to {peer}, {made} time(s) so far")?;
        }
        let mut counts = table();
        counts.set_header(["what there is", "now", "what happened", "so far"]);
        let rows = [
            ("connections", self.connections as u64, "messages delivered", self.delivered),
            ("secure channels", self.secure_channels as u64, "messages laid out anew", self.relayouts),
            ("tasks", self.tasks as u64, "drops without an event", self.unreported),
            ("shards", facts.shards as u64, "failures", self.failures.iter().map(|it| it.count).sum()),
        ];
        for (thing, now, event, count) in rows {
            counts.add_row([thing.to_owned(), now.to_string(), event.to_owned(), count.to_string()]);
        }
        right(&mut counts, &[1, 3]);
        write!(f, "{counts}")?;
        if !self.failures.is_empty() {
            let mut failures = table();
            failures.set_header(["requirement", "blame", "failures"]);
            for it in &self.failures {
                failures.add_row([it.requirement.clone(), it.blame.clone(), it.count.to_string()]);
            }
            right(&mut failures, &[2]);
            write!(f, "\n{failures}")?;
        }
        Ok(())
    }
}

fn table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
