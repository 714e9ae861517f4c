//! The simulator: deliveries and whole worlds, with and without checkers, beside turmoil and a bare event loop.

use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use razor_benches::simulator::{
    Checked, plan, run, time_of_a_bare_event, time_of_a_delivery, time_of_a_turmoil_datagram,
};
use razor_sim::plan::Suite;

/// What takes long is run once for each sample, and says itself how long one of many took.
fn each(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, time: impl Fn() -> Duration) {
    group.bench_function(name, |b| b.iter_custom(|times| time() * u32::try_from(times).unwrap_or(u32::MAX)));
}

fn deliveries(c: &mut Criterion) {
    let mut group = c.benchmark_group("simulator, a delivery");
    group.sample_size(10);
    for (name, suite) in [("null", Suite::Null), ("AES-256", Suite::Aes256)] {
        each(&mut group, &format!("{name}, unchecked"), || time_of_a_delivery(suite, Checked::Nothing));
        each(&mut group, &format!("{name}, checked"), || time_of_a_delivery(suite, Checked::All));
    }
    each(&mut group, "turmoil", time_of_a_turmoil_datagram);
    each(&mut group, "bare event loop", time_of_a_bare_event);
    group.finish();
}

fn worlds(c: &mut Criterion) {
    let mut group = c.benchmark_group("simulator, a world");
    group.sample_size(10);
    for (name, suite) in [("null", Suite::Null), ("AES-256", Suite::Aes256)] {
        let plan = plan(suite, 10, 100);
        group.bench_function(name, |b| b.iter(|| run(plan.clone(), Checked::All)));
    }
    group.finish();
}

criterion_group!(benches, deliveries, worlds);
criterion_main!(benches);
