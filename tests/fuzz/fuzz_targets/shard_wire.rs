#![no_main]

libfuzzer_sys::fuzz_target!(
    init: headwater_fuzz::write_seeds("shard_wire"),
    |data: &[u8]| headwater_fuzz::run("shard_wire", data)
);
