#![no_main]

libfuzzer_sys::fuzz_target!(
    init: headwater_fuzz::write_seeds("aws_answer"),
    |data: &[u8]| headwater_fuzz::run("aws_answer", data)
);
