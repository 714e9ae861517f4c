//! Runs the symbolic models of the specification, each with its broken twin, and holds what was found against what
//! they say is to be found.

mod model;
mod page;
mod tool;
mod trial;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

pub(crate) use model::{Pair, read};
pub(crate) use page::{cited, section, sources};

use crate::Outcome;
use crate::requirements::Spec;

/// How to get the tool.
const INSTALL: &str = "cargo install verifpal --version 1.6.7 --locked (spec/models/README.md says more)";

/// Which models, and how hard.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these models, by name; a model brings its twin along
    models: Vec<String>,
    /// Fail if the tool is not installed
    #[arg(long)]
    require: bool,
    /// As many of each party side by side, whatever the models say
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    sessions: Option<u8>,
    /// Give up a model after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    most: u64,
}

/// Checks what the models say of themselves; then, if the tool is there, runs them.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    let known: BTreeSet<String> = Spec::read(root)?.requirements.into_iter().map(|r| r.id).collect();
    let mut pairs = read(root, &known)?;
    if let Some(unknown) = options.models.iter().find(|name| !pairs.iter().any(|pair| pair.model.name() == **name)) {
        return Err(format!("no model is called {unknown}").into());
    }
    pairs.retain(|pair| options.models.is_empty() || options.models.iter().any(|name| pair.model.name() == name));
    let Some(version) = tool::version()? else {
        let sentence = format!("not run: verifpal is not installed. To install it: {INSTALL}");
        if options.require {
            return Err(sentence.into());
        }
        println!("{sentence}");
        return Ok(());
    };
    println!("{version}: {} models, each with a broken twin", pairs.len());
    let folder = root.join("target/models");
    fs::create_dir_all(&folder)?;
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for trial in pairs.iter().flat_map(|pair| trial::of(pair, options.sessions)) {
        eprintln!("{}", trial.name);
        match trial.run(&folder, Duration::from_secs(options.most)) {
            Ok(finding) => {
                wrong.extend(trial.surprises(&finding));
                rows.push(trial.row(&finding));
            }
            Err(error) => wrong.push(format!("{}: {error}", trial.name)),
        }
    }
    println!("{}", table(&rows));
    if !wrong.is_empty() {
        return Err(format!("\n{}", wrong.join("\n")).into());
    }
    let sessions: BTreeSet<u8> = pairs.iter().map(|pair| options.sessions.unwrap_or(pair.model.sessions)).collect();
    let sessions: Vec<String> = sessions.iter().map(u8::to_string).collect();
    println!(
        "\nNo attack was found where none is expected; sessions of each party: {}. That is a search, not a proof.\n\
         Every broken twin was attacked, and so was every model without a check that it is said to need, and no other.",
        sessions.join(" or ")
    );
    Ok(())
}

fn table(rows: &[[String; 6]]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["model", "sessions", "queries", "seconds", "found", "requirements, or those not kept"]);
    table.add_rows(rows);
    table.column_iter_mut().skip(1).take(3).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table.trim_fmt()
}
