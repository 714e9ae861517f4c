//! `razor node show`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::report::Report;
use crate::failure::{Failure, Result};
use crate::os;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most bytes of an answer.
const ANSWER: usize = 1 << 20;

/// Show what a running node is doing
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The node's folder [default: razor in the user's data folder]
    #[arg(long, value_name = "DIR", conflicts_with = "status")]
    dir: Option<PathBuf>,
    /// Where the node is asked, if it was started with --status: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ENDPOINT")]
    status: Option<Endpoint>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result {
        let endpoint = match (self.status, self.dir) {
            (Some(endpoint), _) => endpoint,
            (None, Some(dir)) => Endpoint::of(&dir),
            (None, None) => Endpoint::of(&os::data_dir()?),
        };
        let report = os::runtime(1)?.block_on(async {
            let late =
                || Failure::failed(format!("the node at {endpoint} does not answer; is it stopped or very busy?"));
            timeout(PATIENCE, ask(&endpoint)).await.map_err(|_| late())?
        })?;
        if self.json {
            let json = serde_json::to_string_pretty(&report).map_err(|e| Failure::failed(e.to_string()))?;
            crate::outln!("{json}");
        } else {
            crate::outln!("{report}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn ask(endpoint: &Endpoint) -> Result<Report> {
    let stream = endpoint.connect().await.map_err(|e| {
        Failure::failed(format!(
            "no node answers at {endpoint}: {e}; start one with `razor node start`, or name another with --dir or --status"
        ))
    })?;
    let strange =
        |why: &dyn std::fmt::Display| Failure::failed(format!("what answers at {endpoint} is no node: {why}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| strange(&e))?;
    tokio::spawn(connection);
    let question =
        Request::get("/status").header(HOST, "razor").body(Empty::<Bytes>::new()).map_err(|e| strange(&e))?;
    let answer = sender.send_request(question).await.map_err(|e| strange(&e))?;
    let status = answer.status();
    let text = Limited::new(answer.into_body(), ANSWER).collect().await.map_err(|e| strange(&e))?.to_bytes();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(Failure::failed(format!("the node at {endpoint} is shutting down; try again when it runs")));
    }
    serde_json::from_slice(&text).map_err(|e| strange(&e))
}
