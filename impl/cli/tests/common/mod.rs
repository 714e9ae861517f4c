//! The real binary, and what it says.

use std::process::{Command, Output, Stdio};

pub(crate) fn razor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_razor")).args(arguments).stdin(Stdio::null()).output().expect("it runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}
