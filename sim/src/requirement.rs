//! The requirements of the specification, by id, as its chapters state them.

/// The chapters that state requirements.
const CHAPTERS: [&str; 15] = [
    include_str!("../../spec/src/channels.md"),
    include_str!("../../spec/src/codecs.md"),
    include_str!("../../spec/src/decisions.md"),
    include_str!("../../spec/src/erasure.md"),
    include_str!("../../spec/src/extensions.md"),
    include_str!("../../spec/src/identities.md"),
    include_str!("../../spec/src/limits.md"),
    include_str!("../../spec/src/nodes.md"),
    include_str!("../../spec/src/noise.md"),
    include_str!("../../spec/src/purpose-keys.md"),
    include_str!("../../spec/src/routing.md"),
    include_str!("../../spec/src/serial.md"),
    include_str!("../../spec/src/sessions.md"),
    include_str!("../../spec/src/tcp.md"),
    include_str!("../../spec/src/vaults.md"),
];

/// The sentence of this requirement.
pub fn sentence(id: &str) -> Option<&'static str> {
    let heading = format!("#### {id}\n\n");
    let stated = CHAPTERS.iter().find_map(|chapter| chapter.split_once(heading.as_str()))?.1;
    stated.lines().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_found_by_its_id_and_by_nothing_else() {
        let trusted = "A party MUST NOT open a channel with an identity that its trust policy does not trust.";
        assert_eq!(sentence("CHN-10"), Some(trusted));
        assert_eq!(sentence("CHN-1"), sentence("CHN-1"));
        assert!(sentence("TCP-1").is_some_and(|sentence| sentence.contains("MUST")));
        assert_eq!(sentence("CHN"), None);
        assert_eq!(sentence("CHN-9999"), None);
    }

    #[test]
    fn whatever_worlds_refuse_is_stated() {
        for preset in crate::Preset::ALL {
            for id in crate::drawn(1, preset).run().refusals.keys() {
                assert!(sentence(id).is_some_and(|sentence| sentence.contains("MUST")), "{id}");
            }
        }
    }
}
