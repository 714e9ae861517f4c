//! Messages through a node: handed over at once, and by way of one and ten hops.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use razor_benches::node::{Host, message};

fn hops(c: &mut Criterion) {
    let mut group = c.benchmark_group("node");
    for hops in [0, 1, 10] {
        let mut host = Host::new(hops);
        let message = message(hops);
        group.bench_function(BenchmarkId::new("hops", hops), |b| {
            b.iter_batched(|| message.clone(), |message| host.deliver(message), BatchSize::SmallInput)
        });
    }
    group.finish();
}

criterion_group!(benches, hops);
criterion_main!(benches);
