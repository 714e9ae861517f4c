//! The report as one HTML file, with its plots as SVG and nothing to load.

use std::fmt::Write;

use super::{COLUMNS, Report};

const STYLE: &str = "
:root { color-scheme: light dark; --text: #1c2530; --soft: #5d6875; --rule: #d7dde4; --good: #2b7a78; --bad: #c0392b;
        --second: #9fb3c8; --page: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e9ee; --soft: #9aa7b4; --rule: #37424e; --good: #4fb3a9;
        --bad: #ec7063; --second: #5b7189; --page: #141a20; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 68rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p, figcaption { color: var(--soft); } p.warning { color: var(--bad); font-weight: 600; }
table { border-collapse: collapse; width: 100%; } figure { margin: 0; overflow-x: auto; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--rule); font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; } th.group { padding-top: 1.2rem; color: var(--text); }
td.number { text-align: right; white-space: nowrap; } td.yes { color: var(--good); } td.NO { color: var(--bad); font-weight: 700; }
svg { width: 100%; height: auto; } svg text { fill: var(--text); font: 12px system-ui, sans-serif; }
svg text.soft { fill: var(--soft); paint-order: stroke; stroke: var(--page); stroke-width: 5px; } svg .soft { fill: var(--soft); } svg .good { fill: var(--good); } svg .bad { fill: var(--bad); } svg .second { fill: var(--second); }
svg line { stroke: var(--soft); }
";

/// The whole page.
pub(super) fn render(report: &Report) -> String {
    let mut lines = String::new();
    for line in report.machine.lines().iter().chain(&report.missing) {
        let class = if line.starts_with("DISTURBED") { " class=\"warning\"" } else { "" };
        lines += &format!("<p{class}>{}</p>\n", escape(line));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Razor: benchmarks</title>\n\
         <style>{STYLE}</style>\n<h1>Benchmarks</h1>\n{lines}\
         <h2>How much of each bar is used</h2>\n<figure>{}<figcaption>Left of the line the bar of the design holds. \
         Bars that run over the edge use more than half as much again.</figcaption></figure>\n\
         <h2>Seal and open, by size</h2>\n<figure>{}<figcaption>Gigabytes per second of plaintext through seal and \
         open, on one core: the channel, and the raw AEAD that it uses.</figcaption></figure>\n\
         <h2>Everything</h2>\n{}</html>\n",
        used(report),
        throughput(report),
        table(report)
    )
}

fn table(report: &Report) -> String {
    let mut html = String::from("<table>\n");
    let mut group = "";
    for row in &report.rows {
        if row.group() != group {
            group = row.group();
            let heads = COLUMNS.iter().skip(1).map(|column| format!("<th class=\"group\">{column}</th>"));
            html += &format!("<tr><th class=\"group\">{group}</th>{}</tr>\n", heads.collect::<String>());
        }
        let [_, measured, beside, ratio, bar, holds] = row.cells().map(|cell| escape(&cell));
        let steady = if row.is_steady() { "" } else { " *" };
        html += &format!(
            "<tr><td>{}{steady}</td><td class=\"number\">{measured}</td><td>{beside}</td>\
             <td class=\"number\">{ratio}</td><td>{bar}</td><td class=\"{holds}\">{holds}</td></tr>\n",
            escape(row.name())
        );
    }
    html + "</table>\n<p>* by the clock; the other numbers are the same in every run.</p>\n"
}

/// Horizontal bars: the share of what the design allows.
fn used(report: &Report) -> String {
    let (left, width, step, most) = (380.0, 520.0, 24.0, 1.5f64);
    let mut body = String::new();
    let mut y = 8.0;
    for row in &report.rows {
        let Some(used) = row.used() else { continue };
        let class = if used <= 1.0 { "good" } else { "bad" };
        let label = format!("{}{}", row.what(), if row.is_steady() { "" } else { " *" });
        let end = left + used.min(most) / most * width;
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{left}\" y=\"{y}\" width=\"{:.1}\" height=\"16\" rx=\"2\"/>\
             <text class=\"soft\" x=\"{:.1}\" y=\"{}\">{:.0} %</text>",
            left - 10.0,
            y + 12.5,
            escape(&label),
            end - left,
            end + 6.0,
            y + 12.5,
            used * 100.0
        );
        y += step;
    }
    let line = left + width / most;
    format!(
        "<svg viewBox=\"0 0 980 {}\" role=\"img\" aria-label=\"share of each bar that is used\">\
         <line x1=\"{line:.1}\" y1=\"0\" x2=\"{line:.1}\" y2=\"{y}\" stroke-dasharray=\"4 3\"/>{body}\
         <text class=\"soft\" x=\"{line:.1}\" y=\"{}\" text-anchor=\"middle\">the bar</text></svg>",
        y + 22.0,
        y + 14.0
    )
}

/// Groups of upright bars: bytes per second by size.
fn throughput(report: &Report) -> String {
    let (base, high, apart, width) = (220.0, 180.0, 180.0, 50.0);
    let most = report.throughput.iter().flat_map(|(_, rates)| rates).map(|(_, rate)| *rate).fold(1.0, f64::max);
    let mut body = String::new();
    for (series, ((who, rates), class)) in report.throughput.iter().zip(["good", "second", "soft", "bad"]).enumerate() {
        let offset = 40.0 + series as f64 * (width + 4.0);
        for (group, (size, rate)) in rates.iter().enumerate() {
            let (x, height) = (offset + group as f64 * apart, rate / most * high);
            let top = base - height;
            let _ = writeln!(
                body,
                "<rect class=\"{class}\" x=\"{x:.0}\" y=\"{top:.1}\" width=\"{width}\" height=\"{height:.1}\" rx=\"2\"/>\
                 <text class=\"soft\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"middle\">{:.2}</text>",
                x + width / 2.0,
                top - 5.0,
                rate / 1e9
            );
            if series == 0 {
                let label = if *size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) };
                let _ = write!(body, "<text x=\"{x:.0}\" y=\"{}\">{label}</text>", base + 18.0);
            }
        }
        let (x, y) = (40.0 + series as f64 * 160.0, base + 34.0);
        let _ = write!(
            body,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\"/><text x=\"{}\" y=\"{}\">{}</text>",
            x + 18.0,
            y + 10.5,
            escape(who)
        );
    }
    let axis = format!("<line x1=\"30\" y1=\"{base}\" x2=\"950\" y2=\"{base}\"/>");
    format!("<svg viewBox=\"0 0 980 280\" role=\"img\" aria-label=\"bytes per second by size\">{body}{axis}</svg>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
