//! What is done and said on the stage, line by line, for whoever asks why a scene failed.
//!
//! A scene plays the same way each time. So nobody writes along until one has failed; then it is played once more. It is
//! played by one thread from its beginning to its end, and that thread has the notes.

use std::cell::RefCell;

use razor::env::Instant;
use razor::node::{Input, Output};
use razor::routing::{Message, RouteRef};

use crate::explain::count;
use crate::frame::View;

/// A line of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, in the scene's own time.
    pub at: Instant,
    /// The node.
    pub who: String,
    /// What happens to it, or what it does.
    pub words: String,
}

std::thread_local! {
    static LINES: RefCell<Option<Vec<Line>>> = const { RefCell::new(None) };
}

/// What is done and said while this is played.
pub(super) fn of(play: impl FnOnce()) -> Vec<Line> {
    LINES.set(Some(Vec::new()));
    play();
    LINES.take().unwrap_or_default()
}

/// Takes a line down, if somebody writes along.
pub(super) fn note(at: Instant, who: &str, words: impl FnOnce() -> String) {
    LINES.with_borrow_mut(|lines| {
        if let Some(lines) = lines {
            lines.push(Line { at, who: who.into(), words: words() });
        }
    });
}

/// An input.
pub(super) fn given(input: &Input) -> String {
    match input {
        Input::Received { connection, bytes } => format!("connection {} brings {}", connection.0, cargo(bytes)),
        Input::Sent { connection, bytes } => {
            format!("{} left on connection {}", count(*bytes as usize, "byte"), connection.0)
        }
        Input::Crossed { connection, crossing } => {
            format!("link {} brings {}", connection.0, letter(crossing.message()))
        }
        Input::Disconnected { connection } => format!("connection {} breaks", connection.0),
        Input::Answer { id, .. } => format!("request {} is answered", id.0),
        Input::Taken { inbox, messages } => format!("its owner takes {messages} from {inbox}"),
        Input::Send(message) => format!("its owner sends {}", letter(message)),
        Input::SendFrom { inbox, message, .. } => format!("its owner sends from {inbox} {}", letter(message)),
    }
}

/// An output.
pub(super) fn said(output: &Output) -> String {
    match output {
        Output::Transmit { connection, frame } => {
            format!("puts on connection {} {}", connection.0, cargo(frame.payload()))
        }
        Output::Cross { connection, crossing } => {
            format!("puts on link {} {}", connection.0, letter(crossing.message()))
        }
        Output::Close { connection, error } => format!("closes connection {}: {error}", connection.0),
        Output::Deliver { inbox, delivery } => format!("hands over at {inbox} {}", letter(&delivery.message)),
        Output::Request { id, request, .. } => format!("asks in request {}: {request:?}", id.0),
        Output::Event(event) => format!("tells: {event:?}"),
    }
}

/// Bytes of a connection.
fn cargo(bytes: &[u8]) -> String {
    View::new(bytes).map_or_else(|_| count(bytes.len(), "byte"), |frame| letter(&frame.message()))
}

/// A message, without what it says.
pub(super) fn letter(message: &Message) -> String {
    let way = |route: RouteRef<'_>| if route.is_empty() { "nowhere".into() } else { route.to_string() };
    let (onward, back) = (way(message.onward()), way(message.return_route()));
    format!("{} for {onward}, back to {back}", count(message.payload().len(), "byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_down_while_somebody_writes_along() {
        let play = || note(Instant::ZERO, "a node", || "a line".into());
        play();
        let line = Line { at: Instant::ZERO, who: "a node".into(), words: "a line".into() };
        assert_eq!(of(|| (0..2).for_each(|_| play())), [line.clone(), line]);
        assert_eq!(of(|| ()), []);
    }
}
