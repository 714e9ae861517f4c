//! `cargo embedded-figures`: what each image takes of the board, measured while it runs, as a part of the guide.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::elf::Sizes;
use crate::emulator::{Image, TICK};
use crate::scenes::Stage;
use crate::{Fault, demand};

/// How often each thing is done that is counted, at a time.
const MESSAGES: u64 = 25;
const HANDSHAKES: u64 = 2;

/// How often that is done. The least counts: how bytes happen to arrive adds to it.
const TIMES: u64 = 8;

/// The bytes of each message.
const PAYLOAD: usize = 32;

/// The figures of one image.
struct Figures {
    image: Image,
    sizes: Sizes,
    heap: u64,
    stack: u64,
    /// Instructions of a message that is echoed, of a handshake, and of a message that is echoed through a channel.
    message: u64,
    handshake: Option<u64>,
    sealed: Option<u64>,
}

/// Measures all images, and writes the page or checks that it says what was measured.
pub(crate) async fn run(check: bool) -> Result<bool, Fault> {
    let mut all = Vec::new();
    for image in [Image::ROUTING, Image::RESPONDER, Image::ALL] {
        all.push(measure(image).await?);
    }
    let page = page(&all)?;
    let path = path();
    if !check {
        std::fs::write(&path, &page)?;
        println!("{page}");
        return Ok(true);
    }
    let written = std::fs::read_to_string(&path)?;
    let right = agree(&written, &page);
    if !right {
        eprintln!("{} is out of date; `cargo embedded-figures` writes\n{page}", path.display());
    }
    Ok(right)
}

/// The page in the guide.
fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/embedded-figures.md")
}

async fn measure(image: Image) -> Result<Figures, Fault> {
    let built = image.build()?;
    let sizes = Sizes::read(&built)?;
    let mut stage = Stage::open(image, &built).await?;
    stage.echo(&[7; PAYLOAD]).await?;
    let message = per(&mut stage, MESSAGES, async |stage| stage.echo(&[7; PAYLOAD]).await).await?;
    let (mut handshake, mut sealed) = (None, None);
    if image.has_channels() {
        let open = async |stage: &mut Stage| Ok(stage.open_channel().await?.close().await?);
        handshake = Some(per(&mut stage, HANDSHAKES, open).await?);
        stage.open_echo().await?;
        sealed = Some(per(&mut stage, MESSAGES, async |stage| stage.sealed_echo(&[7; PAYLOAD]).await).await?);
    }
    let status = stage.status().await?;
    demand(status.dropped == 0, || "frames were lost".into())?;
    Ok(Figures { image, sizes, heap: status.heap_most, stack: status.stack_most, message, handshake, sealed })
}

/// The instructions of one of `times` times, without those of asking for their number.
async fn per(stage: &mut Stage, times: u64, what: impl AsyncFn(&mut Stage) -> Result<(), Fault>) -> Result<u64, Fault> {
    let mut least = u64::MAX;
    for _ in 0..TIMES {
        let (before, asked) = (stage.rested().await?.busy, stage.rested().await?.busy);
        for _ in 0..times {
            what(stage).await?;
        }
        let after = stage.rested().await?.busy;
        least = least.min((after - asked).saturating_sub(asked - before) * TICK / times);
    }
    Ok(least)
}

impl Stage {
    /// What the board says of itself when it has done all that there was to do.
    async fn rested(&mut self) -> Result<crate::status::Status, Fault> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.status().await
    }
}

fn page(all: &[Figures]) -> Result<String, Fault> {
    let mut page = String::from("<!-- Written by `cargo embedded-figures`. -->\n\n");
    let mut row = |cells: Vec<String>| writeln!(page, "| {} |", cells.join(" | "));
    let head = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let line = |columns: usize| std::iter::once("---".to_owned()).chain(vec!["--:".to_owned(); columns]).collect();
    row(head(&["image", "flash", "RAM", "variables", "heap, at most", "stack, at most"]))?;
    row(line(5))?;
    for Figures { image, sizes, heap, stack, .. } in all {
        let ram = sizes.variables + heap + stack;
        let bytes = [sizes.flash, ram, sizes.variables, *heap, *stack].map(grouped);
        row(std::iter::once(image.name.to_owned()).chain(bytes).collect())?;
    }
    row(vec![])?;
    let page_of_instructions = head(&["instructions of", all[0].image.name, all[1].image.name, all[2].image.name]);
    row(page_of_instructions)?;
    row(line(3))?;
    let mut instructions = |what: &str, of: fn(&Figures) -> Option<u64>| {
        let counts = all.iter().map(|figures| of(figures).map_or_else(|| "none".into(), |n| grouped(rounded(n))));
        row(std::iter::once(what.to_owned()).chain(counts).collect())
    };
    instructions("a message, echoed", |figures| Some(figures.message))?;
    instructions("a handshake, as its responder", |figures| figures.handshake)?;
    instructions("a message through a channel, echoed", |figures| figures.sealed)?;
    row(vec![])?;
    row(head(&["flash of", all[0].image.name, all[1].image.name, all[2].image.name]))?;
    row(line(3))?;
    let mut parts: Vec<_> = all.iter().flat_map(|figures| figures.sizes.parts.keys()).collect();
    let of = |figures: &Figures, part: &str| figures.sizes.parts.get(part).copied().unwrap_or_default();
    parts.sort_by_key(|part| (std::cmp::Reverse(of(&all[1], part)), **part));
    parts.dedup();
    for part in parts {
        let bytes = all.iter().map(|figures| grouped(of(figures, part)));
        row(std::iter::once((*part).to_owned()).chain(bytes).collect())?;
    }
    // Tables are apart.
    Ok(page.replace("|  |\n", "\n"))
}

/// A number in groups of three digits.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Two digits of a number: how bytes arrive makes a difference in the others.
fn rounded(n: u64) -> u64 {
    let unit = 10_u64.pow(n.max(1).ilog10().saturating_sub(1));
    (n + unit / 2) / unit * unit
}

/// Whether a page says what another does, but for numbers that are a little different: another release of the compiler. What
/// is counted differs by more from run to run, because the board asks its line again and again while bytes arrive.
fn agree(written: &str, measured: &str) -> bool {
    let lines = |page: &str| page.replace(',', "").lines().map(str::to_owned).collect::<Vec<_>>();
    let (written, measured) = (lines(written), lines(measured));
    written.len() == measured.len() && written.iter().zip(&measured).all(|(a, b)| rows_agree(a, b))
}

fn rows_agree(written: &str, measured: &str) -> bool {
    let apart = if written.starts_with(COUNTED) { 0.5 } else { 0.05 };
    let (a, b): (Vec<&str>, Vec<&str>) = (written.split_whitespace().collect(), measured.split_whitespace().collect());
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= apart * a.max(b),
            _ => a == b,
        })
}

/// How the rows begin that count instructions.
const COUNTED: &str = "| a ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_groups_and_say_no_more_than_is_known() {
        assert_eq!([0, 12, 1_234, 1_234_567].map(grouped), ["0", "12", "1,234", "1,234,567"]);
        assert_eq!([0, 12, 994, 1_234, 1_250, 1_234_567].map(rounded), [0, 12, 990, 1_200, 1_300, 1_200_000]);
    }

    #[test]
    fn a_page_is_out_of_date_when_a_word_or_a_number_is_another() {
        assert!(agree("| all | 1,000 |", "| all | 1,040 |"));
        assert!(!agree("| all | 1,000 |", "| all | 1,100 |"));
        assert!(!agree("| all | 1,000 |", "| none | 1,000 |"));
        assert!(!agree("| all | 1,000 |", "| all | 1,000 | 7 |"));
        assert!(agree("| a message | 1,000 |", "| a message | 1,400 |"));
        assert!(!agree("| a message | 1,000 |", "| a message | 2,400 |"));
    }
}
