//! Runs Verifpal, and reads what it found.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The command. It is under another licence than this repository, so it is run and never linked.
const COMMAND: &str = "verifpal";

/// How often a run is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// What the tool says about one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The line of the query, from 1.
    pub(super) line: usize,
    /// What the attacker achieves, if there is an attack.
    pub(super) attack: Option<String>,
    /// Whether the search came to its end within the number of sessions, and was not cut short before.
    pub(super) exhausted: bool,
}

/// What the tool says about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) time: Duration,
}

/// What the installed tool says its version is; nothing if there is none.
pub(super) fn version() -> Result<Option<String>, Box<dyn std::error::Error>> {
    match Command::new(COMMAND).arg("--version").stdin(Stdio::null()).output() {
        Ok(output) => Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{COMMAND}: {error}").into()),
    }
}

/// Looks for attacks with this many sessions of each party, for so long at most.
pub(super) fn verify(path: &Path, sessions: u8, most: Duration) -> Result<Finding, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let mut run = Command::new(COMMAND);
    run.args(["verify", "--format", "json", "--sessions", &sessions.to_string()]).arg(path);
    let mut child = run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdout = child.stdout.take().ok_or("its output is a pipe")?;
    let reader = thread::spawn(move || {
        let mut report = String::new();
        stdout.read_to_string(&mut report).map(|_| report)
    });
    while child.try_wait()?.is_none() {
        if began.elapsed() > most {
            child.kill()?;
            child.wait()?;
            return Err(format!("no end after {} s", most.as_secs()).into());
        }
        thread::sleep(PAUSE);
    }
    let report = reader.join().expect("reading does not panic")?;
    Ok(Finding { verdicts: verdicts(&report)?, time: began.elapsed() })
}

/// Reads a report on one model.
fn verdicts(report: &str) -> Result<Vec<Verdict>, Box<dyn std::error::Error>> {
    let report: Value = serde_json::from_str(report).map_err(|error| format!("not a report: {error}"))?;
    let model = &report["models"][0];
    if let Some(error) = model["error"].as_str() {
        return Err(error.into());
    }
    let queries = model["analysis"]["queries"].as_array().ok_or("a report without queries")?;
    let verdict = |query: &Value| {
        let attack = query["resolved"].as_bool()?.then(|| query["conclusion"].as_str().unwrap_or_default().to_owned());
        let envelope = &query["envelope"];
        let exhausted = envelope["exhausted"].as_bool()? && envelope["truncations"].as_array()?.is_empty();
        let line = usize::try_from(query["range"]["line"].as_u64()?).ok()?;
        Some(Verdict { line, attack, exhausted })
    };
    let verdicts: Option<Vec<_>> = queries.iter().map(verdict).collect();
    Ok(verdicts.ok_or("a report whose queries are in another form: is it another version of the tool?")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"version":"1.6.7","ok":true,"models":[{"file":"x.vp","ok":true,"analysis":{"queries":[
        {"query":"confidentiality? m","resolved":true,"conclusion":"m is obtained by Attacker.","range":{"line":7},
         "envelope":{"sessions":1,"truncations":[],"exhausted":true}},
        {"query":"authentication? A -> B: m","resolved":false,"conclusion":"","range":{"line":8},
         "envelope":{"sessions":1,"truncations":["term depth"],"exhausted":false}}]}}]}"#;

    #[test]
    fn a_report_is_read_query_by_query() {
        let attack = Some("m is obtained by Attacker.".to_owned());
        let expected =
            [Verdict { line: 7, attack, exhausted: true }, Verdict { line: 8, attack: None, exhausted: false }];
        assert_eq!(verdicts(REPORT).unwrap(), expected);
    }

    #[test]
    fn an_error_and_a_report_in_another_form_are_no_verdicts() {
        let error = r#"{"models":[{"ok":false,"error":"used before it is declared"}]}"#;
        assert_eq!(verdicts(error).unwrap_err().to_string(), "used before it is declared");
        assert!(verdicts(&REPORT.replace("resolved", "broken")).unwrap_err().to_string().contains("another form"));
        assert!(verdicts("").unwrap_err().to_string().contains("not a report"));
    }
}
