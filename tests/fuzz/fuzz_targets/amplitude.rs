#![no_main]

libfuzzer_sys::fuzz_target!(
    init: headwater_fuzz::write_seeds("amplitude"),
    |data: &[u8]| headwater_fuzz::run("amplitude", data)
);
