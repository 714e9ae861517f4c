//! Razor's own vectors: they hold, the generator makes them again, their schemas and CDDL fit, and the checkers
//! notice what does not hold.

use std::path::Path;

use razor_vectors::own::{Kind, kinds};
use serde_json::Value;

fn file(kind: &Kind) -> Value {
    serde_json::from_str(kind.committed).expect("JSON")
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_committed_vector_holds() {
    for kind in kinds() {
        let row = kind.check(&mut |_| {});
        assert!(row.checked > 0 && row.holds(), "{}: {:#?}", kind.path(), row.failed);
    }
}

#[test]
fn the_generator_makes_the_committed_files() {
    for kind in kinds() {
        assert!((kind.generate)() == kind.committed, "{} is stale: run the generator", kind.path());
    }
}

#[test]
fn every_file_fits_its_schema() {
    for kind in kinds() {
        let schema: Value = serde_json::from_str(&read(&format!("schemas/{}.schema.json", kind.name))).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let errors: Vec<String> =
            validator.iter_errors(&file(&kind)).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", kind.path());
    }
}

#[test]
fn no_two_cases_of_a_kind_have_one_name() {
    for kind in kinds() {
        let file = file(&kind);
        let mut names: Vec<_> = file["cases"].as_array().expect("cases").iter().map(|case| &case["name"]).collect();
        let count = names.len();
        names.sort_by_key(ToString::to_string);
        names.dedup();
        assert_eq!(names.len(), count, "{}", kind.path());
    }
}

#[test]
fn a_vector_that_expects_something_else_is_a_failure() {
    for kind in kinds() {
        let mut file = file(&kind);
        let cases = file["cases"].as_array_mut().expect("cases");
        let of = |cases: &[Value], what: &str| cases.iter().position(|case| !case["expect"][what].is_null());
        let accepted = of(cases, "ok").expect("a positive case");
        let mut changed = vec![cases[accepted]["name"].as_str().expect("a name").to_owned()];
        // Some kinds have nothing that can be wrong.
        if let Some(refused) = of(cases, "refused") {
            changed.push(cases[refused]["name"].as_str().expect("a name").to_owned());
            cases[refused]["expect"] = serde_json::json!({ "ok": {} });
        }
        cases[accepted]["expect"] = serde_json::json!({ "refused": { "blame": "limit", "requirement": "LIM-1" } });
        let row = kind.check_text(&file.to_string());
        let mut failed: Vec<_> = row.failed.iter().map(|failure| failure.case.clone()).collect();
        changed.sort();
        failed.sort();
        assert_eq!(failed, changed, "{}", kind.path());
    }
}

#[test]
fn every_flipped_byte_of_a_good_history_is_noticed() {
    let kind = kinds().into_iter().find(|kind| kind.name == "history").expect("the kind");
    let file = file(&kind);
    let case = &file["cases"][0];
    let history = case["input"]["history"].as_str().expect("hex");
    for at in 0..history.len() / 2 {
        let mut bytes = hex::decode(history).expect("hex");
        bytes[at] ^= 1;
        let mut file = serde_json::json!({ "format": 1, "kind": "history", "about": "", "cases": [case] });
        file["cases"][0]["input"]["history"] = hex::encode(bytes).into();
        assert_eq!(kind.check_text(&file.to_string()).failed.len(), 1, "byte {at}");
    }
}
