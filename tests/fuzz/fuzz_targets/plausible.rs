#![no_main]

libfuzzer_sys::fuzz_target!(
    init: headwater_fuzz::write_seeds("plausible"),
    |data: &[u8]| headwater_fuzz::run("plausible", data)
);
