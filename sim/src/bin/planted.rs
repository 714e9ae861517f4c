//! The hunt: the swarm against each bug that is planted in the core. `cargo planted` builds and runs it.

#![allow(unexpected_cfgs)]

#[cfg(not(razor_planted))]
fn main() {
    eprintln!("no bugs are planted in this build: cargo planted");
    std::process::exit(2);
}

#[cfg(razor_planted)]
fn main() -> std::process::ExitCode {
    hunt::run()
}

#[cfg(razor_planted)]
mod hunt {
    use std::collections::{BTreeMap, BTreeSet};
    use std::panic;
    use std::process::ExitCode;
    use std::sync::atomic::{AtomicU64, Ordering};

    use razor::planted::{Bug, plant};
    use razor_sim::Preset;

    /// What became of one world.
    struct Verdict {
        preset: Preset,
        /// The property that does not hold, and how it was noticed.
        noticed: Option<(String, String)>,
    }

    /// The world of `seed` with a bug in its nodes.
    fn world(seed: u64, bug: Option<Bug>) -> Verdict {
        let preset = Preset::in_turn(seed);
        plant(bug);
        let report = razor_sim::drawn(seed, preset).run();
        plant(None);
        let noticed = report.violations.first().map(|v| (v.property.to_string(), v.detail.clone()));
        Verdict { preset, noticed }
    }

    /// What became of all worlds of a bug.
    #[derive(Default)]
    struct Hunt {
        found: u64,
        first: Option<(u64, String)>,
        properties: BTreeMap<String, u64>,
        presets: BTreeSet<Preset>,
    }

    fn hunt(bug: Option<Bug>, seeds: u64, jobs: usize) -> Hunt {
        let next = AtomicU64::new(0);
        let worker = || {
            let mut verdicts = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return verdicts;
                }
                verdicts.push((seed, world(seed, bug)));
            }
        };
        let mut verdicts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|e| panic::resume_unwind(e))).collect()
        });
        verdicts.sort_by_key(|(seed, _)| *seed);
        let mut hunt = Hunt::default();
        for (seed, Verdict { preset, noticed }) in verdicts {
            let Some((property, detail)) = noticed else { continue };
            hunt.found += 1;
            hunt.first.get_or_insert((seed, detail));
            *hunt.properties.entry(property).or_default() += 1;
            hunt.presets.insert(preset);
        }
        hunt
    }

    pub(super) fn run() -> ExitCode {
        let mut arguments = std::env::args().skip(1);
        let seeds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(20);
        let jobs = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(2);
        let named: Vec<Bug> = arguments.map(|name| name.parse().expect("a bug's name")).collect();
        let bugs = if named.is_empty() { Bug::ALL } else { &named };
        panic::set_hook(Box::new(|_| ()));
        let mut all_found = true;
        for bug in [None].into_iter().chain(bugs.iter().copied().map(Some)) {
            let start = std::time::Instant::now();
            let Hunt { found, first, properties, presets } = hunt(bug, seeds, jobs);
            all_found &= (found > 0) == bug.is_some();
            let name = bug.map_or("none".into(), |bug| bug.to_string());
            let layer = bug.map_or(String::new(), |bug| bug.layer().to_string());
            let requirement = bug.map_or("", Bug::requirement);
            let presets: Vec<_> = presets.iter().map(Preset::to_string).collect();
            let properties: Vec<_> = properties.iter().map(|(p, n)| format!("{p} {n}")).collect();
            let (first, detail) = first.map_or((String::from("-"), String::new()), |(s, d)| (s.to_string(), d));
            println!(
                "{name:<28} {layer:<9} {requirement:<7} {found:>3}/{seeds} first {first:<4} [{}] [{}] {detail} ({:.1} s)",
                properties.join(", "),
                presets.join(" "),
                start.elapsed().as_secs_f64()
            );
        }
        if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
