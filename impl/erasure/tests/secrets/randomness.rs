//! Where secrets come from.

use std::hint::black_box;

use razor::env::{Entropy, Purpose, Seeded};
use razor_erasure::Watch;

/// Neither the seed, nor what was made of it last.
#[test]
fn a_dropped_generator_leaves_nothing_that_it_gave_or_was_made_of() {
    let watch = Watch::new();
    let seed = *b"of these bytes everything is made";
    let seed = *seed.first_chunk::<32>().unwrap();
    let mut entropy = black_box(Box::new(Seeded::new(seed)));
    watch.secret("the seed", &seed);
    for purpose in Purpose::ALL {
        let drawn: [u8; 32] = (&mut *entropy as &mut dyn Entropy).array(purpose);
        watch.secret(&format!("what was drawn for {purpose:?}"), &drawn);
    }
    drop(entropy.clone());
    drop(entropy);
    watch.nothing_was_left();
}
