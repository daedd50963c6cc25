#![no_main]

libfuzzer_sys::fuzz_target!(
    init: headwater_fuzz::write_seeds("ga4"),
    |data: &[u8]| headwater_fuzz::run("ga4", data)
);
