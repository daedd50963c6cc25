#![no_main]

libfuzzer_sys::fuzz_target!(
    init: headwater_fuzz::write_seeds("replay"),
    |data: &[u8]| headwater_fuzz::run("replay", data)
);
