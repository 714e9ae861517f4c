//! Writes Razor's own vectors into the folder `vectors`; with `--check`, only says whether the
//! committed files are what it would write.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = std::env::args().skip(1).any(|argument| argument == "--check");
    let mut stale = 0;
    for kind in razor_vectors::own::kinds() {
        let path = root.join(kind.path());
        let text = (kind.generate)();
        if std::fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            continue;
        }
        stale += 1;
        if check {
            println!("{} is not what the generator makes; run it without --check", kind.path());
            continue;
        }
        match std::fs::write(&path, text) {
            Ok(()) => println!("{} written", kind.path()),
            Err(error) => {
                println!("{} cannot be written: {error}", kind.path());
                return ExitCode::FAILURE;
            }
        }
    }
    if check && stale > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
