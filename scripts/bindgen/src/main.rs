//! `bindgen IN.wasm OUT_DIR`: writes `index_bg.wasm` and the JavaScript that calls it.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(wasm), Some(out), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: bindgen IN.wasm OUT_DIR");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    // After a panic the shell makes a new instance, for which the glue has to forget the old one.
    bindgen.reset_state_function(true).force_enable_abort_handler(true);
    let module = bindgen.input_path(wasm).out_name("index").typescript(false).module(true);
    match module.and_then(|module| module.generate(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}
