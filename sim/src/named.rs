//! Kinds that plans name: each with its word, and the sentence that says what it is.

/// An enum whose variants have a word in plans; what its documentation says is there at run time, too.
macro_rules! named {
    (
        $(#[doc = $head:literal])+ $name:ident is $what:literal,
        $($(#[doc = $doc:literal])+ $variant:ident => $text:literal,)+
    ) => {
        $(#[doc = $head])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant,)+];

            /// What all of them are.
            pub const ABOUT: &str = concat!($($head),+).trim_ascii();

            /// What it is, in a sentence or two.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self { $(Self::$variant => $text,)+ })
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.into_iter().find(|one| one.to_string() == text).ok_or_else(|| {
                    let names = Self::ALL.map(|one| one.to_string()).join(", ");
                    format!("there is no {} {text:?}; there are {names}", $what)
                })
            }
        }
    };
}

pub(crate) use named;
