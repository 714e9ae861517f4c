//! The hunt: the swarm against each bug that is planted in the core. `cargo planted` builds and runs it.
//!
//! Arguments: how many seeds, how many threads, and bugs by name; `BUG=SEED` is the world of that seed alone. Without
//! bugs all are hunted, and first of all none, which must not be found. Prints a line of JSON for each.

#[cfg(not(razor_planted))]
fn main() {
    eprintln!("there are no bugs in this build: cargo planted makes one with them");
    std::process::exit(2);
}

#[cfg(razor_planted)]
fn main() {
    hunt::run();
}

#[cfg(razor_planted)]
mod hunt {
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::Write as _;
    use std::ops::Range;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::{env, panic, thread};

    use razor::planted::{Bug, plant};
    use razor_sim::{Plan, Preset, Seed};
    use serde_json::json;

    /// A property that does not hold in the world of a seed, and how that was noticed.
    struct Find {
        seed: u64,
        property: String,
        detail: String,
    }

    /// The world of `seed` with a bug in all its nodes.
    fn world(seed: u64, bug: Option<Bug>) -> Option<Find> {
        plant(bug);
        let report = razor_sim::run(Plan::draw(Seed(seed), Preset::in_turn(seed)), |world| world);
        plant(None);
        let violation = report.violations.into_iter().next()?;
        Some(Find { seed, property: violation.property.to_string(), detail: violation.detail })
    }

    /// How many worlds are run before anybody asks whether that was enough: every preset has several turns.
    const BATCH: u64 = 32;

    /// In so many worlds a bug is found often enough.
    const ENOUGH: usize = 3;

    /// What was found in the worlds of these seeds, in batches until it was enough; and how many worlds that were.
    fn hunt(bug: Option<Bug>, seeds: Range<u64>, threads: usize) -> (Vec<Find>, u64) {
        let (mut finds, mut next) = (Vec::new(), seeds.start);
        while next < seeds.end && (finds.len() < ENOUGH || bug.is_none()) {
            let end = next.saturating_add(BATCH).min(seeds.end);
            finds.extend(hunt_batch(bug, next..end, threads));
            next = end;
        }
        (finds, next - seeds.start)
    }

    fn hunt_batch(bug: Option<Bug>, seeds: Range<u64>, threads: usize) -> Vec<Find> {
        let next = AtomicU64::new(seeds.start);
        let seeds = || {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            (seed < seeds.end).then_some(seed)
        };
        let hunter = || std::iter::from_fn(seeds).filter_map(|seed| world(seed, bug)).collect::<Vec<_>>();
        let mut finds: Vec<Find> = thread::scope(|scope| {
            let hunters: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(hunter)).collect();
            hunters.into_iter().flat_map(|hunter| hunter.join().unwrap_or_else(|e| panic::resume_unwind(e))).collect()
        });
        finds.sort_by_key(|find| find.seed);
        finds
    }

    /// A bug, or none, and the seeds of its worlds.
    fn target(argument: &str, seeds: u64) -> (Option<Bug>, Range<u64>) {
        let (name, seeds) = match argument.split_once('=') {
            Some((name, seed)) => {
                let seed: u64 = seed.parse().expect("the seed is a number");
                (name, seed..seed + 1)
            }
            None => (argument, 0..seeds),
        };
        let bug = (name != "none").then(|| name.parse().unwrap_or_else(|error| panic!("{error}")));
        (bug, seeds)
    }

    pub(super) fn run() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let [seeds, threads, named @ ..] = &arguments[..] else { panic!("arguments: SEEDS THREADS [BUG[=SEED]]...") };
        let (seeds, threads) = (seeds.parse().expect("seeds"), threads.parse().expect("threads"));
        let all = [None].into_iter().chain(Bug::ALL.iter().copied().map(Some)).map(|bug| (bug, 0..seeds));
        let targets: Vec<_> = if named.is_empty() {
            all.collect()
        } else {
            named.iter().map(|argument| target(argument, seeds)).collect()
        };
        for (bug, seeds) in targets {
            let (finds, worlds) = hunt(bug, seeds, threads);
            let mut properties = BTreeMap::<_, u64>::new();
            finds.iter().for_each(|find| *properties.entry(&find.property).or_default() += 1);
            let presets: BTreeSet<_> = finds.iter().map(|find| Preset::in_turn(find.seed).to_string()).collect();
            let line = json!({
                "bug": bug.map_or("none".into(), |bug| bug.to_string()),
                "layer": bug.map(|bug| bug.layer().to_string()),
                "requirement": bug.map(Bug::requirement),
                "what": bug.map(Bug::what),
                "seeds": worlds,
                "found": finds.len(),
                "first": finds.first().map(|find| find.seed),
                "detail": finds.first().map(|find| &find.detail),
                "properties": properties,
                "presets": presets,
            });
            println!("{line}");
            std::io::stdout().flush().expect("somebody reads this");
        }
    }
}
