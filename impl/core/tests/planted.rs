//! The bugs of the mutation proof are in builds with `--cfg razor_planted`, and nowhere else.

/// A path as it stands in the name of a symbol, made such that it does not stand in this program for being looked for.
fn symbol(module: &str) -> Vec<u8> {
    let krate = "razor";
    format!("{}{krate}{}{module}", krate.len(), module.len()).into_bytes()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn an_ordinary_build_knows_nothing_of_planted_bugs() {
    // What a program links from the crate has a symbol of its module.
    razor::routing::Route::decode(&[], &razor::routing::Limits::DEFAULT).unwrap_err();
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(contains(&program, &symbol("routing")), "symbols are found");
    assert_eq!(contains(&program, &symbol("planted")), cfg!(razor_planted));
}
