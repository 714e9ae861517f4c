use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn detected(text: &str) -> Answer {
    explain(None, &input::unhex(text).expect("hex"), &Keys::default())
}

const IDENTITY: &str = "81825837830101583285f68200815820";

/// The change history of a recorded identity.
fn recorded_history() -> Vec<u8> {
    let text = include_str!("../../../../vectors/production/production-captures.json");
    let recording: Value = serde_json::from_str(text).expect("JSON");
    let history = recording["identities"]["rotated_ed25519_to_p256"]["change_history_hex"].as_str().expect("hex");
    hex::decode(history).expect("hex")
}

#[test]
fn a_serial_line_is_explained_frame_by_frame() {
    // The heartbeat of the chapter, noise, and the heartbeat again.
    let answer = detected("000a018380804 07c7ec99900".replace(' ', "").as_str());
    assert_eq!((answer.kind, answer.holds), (Kind::SerialLine, true));
    assert!(
        answer.render(12).contains("     3       4      transport message   (TCP transport)"),
        "{}",
        answer.render(12)
    );
    let noisy = "000a0183808040 7c7ec99900 555555 00 0a0183808040 7c7ec99800".replace(' ', "");
    let answer = explain(Some(Kind::SerialLine), &input::unhex(&noisy).expect("hex"), &Keys::default());
    let faults: Vec<_> = answer.item.items.iter().filter_map(|item| item.fault.as_ref()).collect();
    assert_eq!(faults.iter().map(|fault| fault.requirement).collect::<Vec<_>>(), ["SER-4", "SER-5"]);
    assert_eq!(faults[0].offset, 12);
    let cut = explain(Some(Kind::SerialLine), &[0, 10, 1], &Keys::default());
    assert_eq!(cut.item.first_fault().map(|fault| fault.requirement), Some("SER-2"));
}

#[test]
fn a_frame_is_explained_down_to_its_addresses() {
    let answer = detected("00000013 83818200446563686f81820043617070420102");
    assert_eq!((answer.kind, answer.holds), (Kind::TcpFrame, true));
    assert_eq!(
        answer.render(23),
        "\
23 bytes: one or more tcp frames: a length and a transport message each (found out; --as says otherwise)

offset  length  field
     0      23  TCP frames   (TCP transport)
     0       4    frame length: 19
     4      19    transport message   (TCP transport)
     4      19      message
     5       8        onward route: 0#echo   (Routing)
     6       7          address
     7       1            transport type: 0 (local)
     8       5            value: 6563686f \"echo\"
    13       7        return route: 0#app   (Routing)
    14       6          address
    15       1            transport type: 0 (local)
    16       4            value: 617070 \"app\"
    20       3        payload: 0102
"
    );
}

#[test]
fn each_kind_is_found_out() {
    let history = hex::encode(recorded_history());
    for (text, kind) in [
        ("01 00000004 83808040", Kind::TcpStream),
        ("83818200446563686f81820043617070420102", Kind::TransportMessage),
        ("828200416182004162", Kind::Route),
        ("8200446563686f", Kind::Address),
        ("8282008183818200446563686f81820043617070460568656c6c6f40", Kind::ChannelPlaintext),
        ("8282028040", Kind::ChannelPlaintext),
        ("1b0123456789abcdef", Kind::Ping),
        (history.as_str(), Kind::Identity),
        ("358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254", Kind::Handshake1),
        (
            "0000000000000000730a7fb64a78d67040e6e239c48ae3598df77168b4aeab8c03dd5489f80b3e0ceadd6cf310165bd2be9e4c49",
            Kind::ChannelMessage,
        ),
    ] {
        let answer = detected(text);
        assert_eq!((answer.kind, answer.holds), (kind, true), "{text}\n{}", answer.item.render());
    }
}

#[test]
fn what_is_malformed_is_named_and_the_rest_is_read_on() {
    // The previous signature of the second change: one bit flipped.
    let mut history = recorded_history();
    let last = history.len() - 1;
    history[last] ^= 1;
    let answer = explain(Some(Kind::Identity), &history, &Keys::default());
    assert_eq!(answer.item.first_fault().map(|fault| fault.requirement), Some("IDN-15"));
    // A type tag inside the signed data: what follows the signed data is still explained.
    let mut history = recorded_history();
    history[6] = 2;
    let answer = explain(Some(Kind::Identity), &history, &Keys::default());
    let fault = answer.item.first_fault().expect("a fault");
    assert_eq!((fault.requirement, fault.offset), ("IDN-6", 6));
    assert!(answer.item.render().contains("signature by this change's key"));
}

#[test]
fn an_announced_route_of_millions_of_hops_is_refused_at_once() {
    let answer = explain(Some(Kind::Route), &hex::decode("9a7fffffff8200").expect("hex"), &Keys::default());
    assert_eq!(answer.item.first_fault().map(|fault| fault.requirement), Some("RTE-3"));
}

#[test]
fn a_channel_message_is_opened_with_its_key_and_with_no_other() {
    let sealed =
        "0000000000000000730a7fb64a78d67040e6e239c48ae3598df77168b4aeab8c03dd5489f80b3e0ceadd6cf310165bd2be9e4c49";
    let sealed = hex::decode(sealed).expect("hex");
    let key = hex::decode("831124fa3e1606b97f5cda4d81c3aa04c7c0151666f05f49a09cd0faf63a05d8").expect("hex");
    let answer = explain(None, &sealed, &Keys { channel: Some(key.clone()) });
    assert!(answer.holds, "{}", answer.item.render());
    assert!(answer.item.render().contains("could be a BARE text: \"hello\""));
    let other = explain(None, &sealed, &Keys { channel: Some(vec![0; 32]) });
    assert_eq!(other.item.first_fault().map(|fault| fault.requirement), Some("CHN-37"));
}

#[test]
fn the_published_beginning_of_a_history_is_explained_as_far_as_it_goes() {
    let answer = explain(Some(Kind::Identity), &hex::decode(IDENTITY).expect("hex"), &Keys::default());
    assert_eq!(answer.item.first_fault().map(|fault| fault.requirement), Some("COD-4"));
}

#[test]
fn what_has_too_many_fields_is_explained_up_to_a_place_that_is_named() {
    for (kind, frame) in [(Kind::TcpFrame, &[0, 0, 0, 4, 0x83, 0x80, 0x80, 0x40][..]), (Kind::TcpFrame, &[0; 4])] {
        let bytes = frame.repeat(60_000);
        let answer = explain(Some(kind), &bytes, &Keys::default());
        assert!(!answer.holds);
        assert!(answer.item.count() < scribe::FIELDS + 100, "{} fields", answer.item.count());
        let rest = answer.item.first_unexplained().expect("a rest");
        assert_eq!((rest.offset % frame.len(), rest.offset + rest.length), (0, bytes.len()));
        let sentence = format!("Explained up to byte {}: there are more than 50000 fields", rest.offset);
        assert!(answer.render(bytes.len()).contains(&sentence));
    }
    let few = explain(Some(Kind::TcpFrame), &[0, 0, 0, 4, 0x83, 0x80, 0x80, 0x40].repeat(1000), &Keys::default());
    assert!(few.holds && few.item.first_unexplained().is_none());
}

#[test]
fn a_long_tracing_text_is_shortened() {
    let mut message = hex::decode("848080407a00100000").expect("hex");
    message.extend(vec![b'"'; 1 << 20]);
    let answer = explain(Some(Kind::TransportMessage), &message, &Keys::default());
    assert!(answer.holds);
    let rendered = answer.render(message.len());
    assert!(rendered.contains("... (1048576 bytes)") && rendered.len() < 2000, "{} bytes", rendered.len());
}

/// A recorded credential with its issuer's attestation.
fn recorded_credential() -> Vec<u8> {
    let text = include_str!("../../../../vectors/production/production-captures.json");
    let recording: Value = serde_json::from_str(text).expect("JSON");
    hex::decode(recording["credentials"][0]["credential_and_purpose_key_hex"].as_str().expect("hex")).expect("hex")
}

#[test]
fn a_credential_holds_if_the_core_takes_it_whatever_is_in_it() {
    let explained = |bytes: &[u8]| explain(Some(Kind::Credential), bytes, &Keys::default());
    let mut credential = recorded_credential();
    let answer = explained(&credential);
    assert!(answer.holds && answer.item.render().contains("attributes"), "{}", answer.item.render());
    // The data that stand in the envelope are no array of five any more.
    assert_eq!(credential[9], 0x85);
    credential[9] = 0x84;
    let other = explained(&credential);
    assert!(other.holds && other.item.render().contains("data: of another form than is known"));
    assert!(razor::identity::PresentedCredential::decode(&credential, credential.len()).is_ok());
    // The type tag of the envelope.
    credential[6] = 2;
    assert_eq!(explained(&credential).item.first_fault().map(|fault| fault.requirement), Some("PUR-22"));
}

#[test]
fn a_fault_in_decrypted_bytes_is_said_to_be_there() {
    use razor::vault::suite::{Aes256GcmSha256, Suite};
    use razor::vault::{Cipher, Key};
    let key = [7; 32];
    let mut sealed = vec![0x82, 0x82, 0x09, 0x80, 0x40];
    let tag = <Aes256GcmSha256 as Suite>::Cipher::new(&Key::new(key)).seal(0, &[], &mut sealed).expect("sealed");
    let message = [&[0; 8], &sealed[..], &tag].concat();
    let answer = explain(Some(Kind::ChannelMessage), &message, &Keys { channel: Some(key.into()) });
    let fault = answer.item.first_fault().expect("a fault");
    assert_eq!((fault.requirement, fault.decrypted), ("CHN-40", true));
    let rendered = answer.render(message.len());
    assert!(rendered.contains(&format!("CHN-40 at byte {} of the decrypted bytes", fault.offset)), "{rendered}");
}

#[test]
fn dates_are_right_at_the_edges_of_years() {
    use super::identity::date;
    assert_eq!(date(0), "1970-01-01T00:00:00Z");
    assert_eq!(date(951_782_400), "2000-02-29T00:00:00Z");
    assert_eq!(date(1_700_000_000), "2023-11-14T22:13:20Z");
    assert_eq!(date(4_102_444_799), "2099-12-31T23:59:59Z");
    assert_eq!(date(u64::MAX), "beyond any calendar");
}

/// Every item lies within the one around it.
fn nested(item: &Item, within: std::ops::Range<usize>) -> bool {
    let range = item.offset..item.offset + item.length;
    within.start <= range.start
        && range.end <= within.end
        && item.items.iter().all(|inner| nested(inner, range.clone()))
}

fn explained_as_everything(bytes: &[u8]) -> bool {
    let keys = Keys::default();
    clap::ValueEnum::value_variants()
        .iter()
        .map(|kind: &Kind| kind.explain(bytes, 0, &keys))
        .all(|item| !item.render().is_empty() && nested(&item, 0..bytes.len()))
        && !explain(None, bytes, &keys).render(bytes.len()).is_empty()
}

#[test]
fn a_recorded_identity_cut_at_any_length_is_explained() {
    let history = recorded_history();
    for len in 1..history.len() {
        assert!(explained_as_everything(&history[..len]), "cut to {len}");
        assert!(!explain(Some(Kind::Identity), &history[..len], &Keys::default()).holds, "cut to {len}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_explained_as_every_kind(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        prop_assert!(explained_as_everything(&bytes));
    }

    #[test]
    fn a_damaged_identity_is_explained(at: prop::sample::Index, byte: u8) {
        let mut history = recorded_history();
        let at = at.index(history.len());
        history[at] = byte;
        prop_assert!(explained_as_everything(&history));
    }
}
