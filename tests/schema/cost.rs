//! What a check costs beside the crate's; prints, and asserts nothing about the clock:
//! `cargo test --release --test schema cost -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use headwater::schema;
use serde_json::Value;

use crate::samples::{pair, samples};

const ROUNDS: u32 = 200_000;

fn nanoseconds(mut run: impl FnMut()) -> f64 {
    let started = Instant::now();
    (0..ROUNDS).for_each(|_| run());
    started.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}

#[test]
#[ignore = "a measurement"]
fn a_check_of_an_order_is_cheap() {
    let order = schema::find("order_placed").unwrap();
    let pair = pair("order_placed");
    for beacon in samples("order_placed").valid {
        let mut beacon = beacon;
        let document = Value::Object(beacon.clone());
        println!("{} bytes", document.to_string().len());
        println!(
            "  find    {:.0} ns",
            nanoseconds(|| {
                black_box(schema::find(black_box("order_placed")));
            })
        );
        println!(
            "  check   {:.0} ns",
            nanoseconds(|| drop(black_box(order.check(black_box(&beacon)))))
        );
        println!(
            "  coerce  {:.0} ns",
            nanoseconds(|| order.coerce(black_box(&mut beacon), &mut |_, _| ()))
        );
        println!(
            "  crate   {:.0} ns",
            nanoseconds(|| {
                black_box(pair.theirs.iter_errors(black_box(&document)).count());
            })
        );
        println!(
            "  crate, verdict only  {:.0} ns",
            nanoseconds(|| {
                black_box(pair.theirs.is_valid(black_box(&document)));
            })
        );
    }
}
