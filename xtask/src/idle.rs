//! What idle workers cost: a node full of them, counted by the allocator.

use std::time::Instant as Clock;

use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::node::{Config, Context, Delivery, Flow, Mailbox, Node, Spec, Worker};
use razor::routing::Address;

use crate::Outcome;

/// The most bytes of an idle worker, all in.
const BAR: u64 = 200;

/// A worker with a state of its own: one number.
struct Counter(u64);

impl Worker for Counter {
    fn handle_message(&mut self, _: &mut Context<'_>, _: Delivery) -> razor::Result<()> {
        self.0 += 1;
        Ok(())
    }
}

/// Starts that many workers at random addresses in one node, and says what each costs.
pub(crate) fn measure(workers: &str) -> Outcome {
    let workers: u64 = workers.replace('_', "").parse()?;
    if workers == 0 {
        return Err("how many workers? at least one".into());
    }
    let mut entropy = Seeded::from_u64(1);
    let mut node = None;
    let mut outcome = Ok(());
    let began = Clock::now();
    let info = allocation_counter::measure(|| {
        let mut started = Node::new(Config::default(), &mut entropy);
        for _ in 0..workers {
            let mailboxes = vec![Mailbox::open(Address::random(&mut entropy))];
            let spec = Spec { mailboxes, flow: Flow::default(), worker: Box::new(Counter(0)) };
            let mut env = Env::new(Instant::ZERO, Timestamp(0), &mut entropy);
            outcome = started.start_worker(&mut env, spec);
            if outcome.is_err() {
                break;
            }
        }
        node = Some(started);
    });
    outcome?;
    let bytes = u64::try_from(info.bytes_current)?;
    let (each, peak) = (bytes.div_ceil(workers), info.bytes_max.div_ceil(workers));
    let seconds = began.elapsed().as_secs_f64();
    println!("{workers} idle workers: {bytes} bytes, {each} for each ({peak} at the peak), in {seconds:.1} s");
    drop(node);
    if each > BAR { Err(format!("an idle worker may take at most {BAR} bytes").into()) } else { Ok(()) }
}
