//! Secure channels. Spec: "Secure channels".

mod admission;
mod message;
mod trust;
mod window;

pub use admission::{Admission, Place, Places};
pub use message::{Padding, PaddingLimit, Plaintext};
pub use trust::{Trust, TrustPolicy};
pub use window::{WINDOW, Window};
