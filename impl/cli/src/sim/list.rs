//! `razor sim list`: the words of plans.

use std::fmt::Display;
use std::process::ExitCode;

use clap::Args;
use razor_sim::Preset;
use razor_sim::adversary::{Capability, Class, Lie};
use razor_sim::plan::Shape;

use crate::failure::Result;

/// How wide a line may be.
const WIDTH: usize = 110;

/// How wide the column of words is.
const WORD: usize = 16;

/// List the presets, shapes, adversaries, capabilities and lies that plans can name
#[derive(Debug, Args)]
pub(super) struct List {}

impl List {
    /// Prints them.
    pub(super) fn run(self) -> Result {
        crate::outln!("PRESETS");
        Preset::ALL.iter().for_each(|preset| item(preset, preset.about()));
        crate::outln!("\nSHAPES");
        Shape::ALL.iter().for_each(|shape| item(shape, shape.about()));
        crate::outln!("\nCLASSES of adversaries, and what each can do unless a plan says otherwise");
        for class in Class::ALL {
            item(&class, class.about());
            let can: Vec<_> = class.capabilities().iter().map(Capability::to_string).collect();
            item(&"", &if can.is_empty() { "Can do nothing.".into() } else { format!("Can: {}.", can.join(", ")) });
            item(
                &"",
                if class.has_a_node() { "Stands `at` a node." } else { "Stands `between` two nodes, or `at` one." },
            );
            if class.needs_a_victim() {
                item(&"", "Needs a `victim`.");
            }
        }
        crate::outln!("\nCAPABILITIES");
        for capability in Capability::ALL {
            item(&capability, capability.about());
            if capability.needs_a_node() {
                item(&"", "Only `at` a node.");
            }
        }
        crate::outln!("\nLIES of a forger, and the requirement by which each is refused");
        Lie::ALL.iter().for_each(|lie| crate::outln!("  {:<40} {}", lie.to_string(), lie.requirement()));
        Ok(ExitCode::SUCCESS)
    }
}

/// A word, and beside it what it means.
fn item(word: &dyn Display, about: &str) {
    let mut word = word.to_string();
    let mut line = String::new();
    for part in about.split_whitespace() {
        if !line.is_empty() && WORD + line.len() + part.len() + 3 > WIDTH {
            crate::outln!("  {word:<WORD$} {line}");
            (word, line) = (String::new(), String::new());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    crate::outln!("  {word:<WORD$} {line}");
}
