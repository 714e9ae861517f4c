//! The plaintext of a channel message.

use crate::channel::{Padding, PaddingLimit, Plaintext, decode, encode_close, encode_payload, encode_refresh};
use crate::routing::{Limits, Message};

/// A plaintext is refused and untouched, or it is the one encoding of what it says.
pub fn channel_plaintext(data: &[u8]) {
    let original = Message::raw(data.to_vec(), 0);
    let mut message = original.clone();
    let Ok(plaintext) = decode(&mut message, &Limits::DEFAULT, PaddingLimit::DEFAULT) else {
        assert_eq!(message, original);
        return;
    };
    let again = match plaintext {
        Plaintext::Payload => {
            encode_payload(&mut message, Padding::None);
            message.payload().to_vec()
        }
        Plaintext::RefreshCredentials { history, credentials } => {
            encode_refresh(&data[history], &data[credentials], Padding::None)
        }
        Plaintext::Close => encode_close(Padding::None),
    };
    // All but the padding, which ends both.
    let bare = again.len() - 1;
    assert_eq!(again[bare], 0x40);
    assert!(data.len() > bare && data[..bare] == again[..bare]);
    assert!(data.len() != again.len() || data == again);
}
