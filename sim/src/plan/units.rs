//! How quantities are written in plan files: `"5ms"`, `"1ms..12ms"`, `"2.5%"`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::seed::Ppm;

/// The longest time that a plan may name: whatever is made of it is far from the end of time.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a length of time.
fn parse<E: de::Error>(text: &str) -> Result<Duration, E> {
    let time = humantime::parse_duration(text.trim()).map_err(E::custom)?;
    if time > LONGEST {
        return Err(E::custom(format!("{text:?} is too long: a time is at most 24h")));
    }
    Ok(time)
}

/// A length of time: `"5ms"`, `"1m 30s"`.
pub(super) mod time {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        super::parse(&String::deserialize(from)?)
    }
}

/// A length of time that may be missing.
pub(super) mod maybe_time {
    use super::{Deserializer, Duration, Serializer, time};

    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => time::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        time::deserialize(from).map(Some)
    }
}

/// A range of lengths of time: `"1ms..12ms"`, or one of them.
pub(super) mod times {
    use super::{Deserialize, Deserializer, Duration, RangeInclusive, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(range: &RangeInclusive<Duration>, to: S) -> Result<S::Ok, S::Error> {
        let (start, end) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        if range.start() == range.end() { to.collect_str(&start) } else { to.collect_str(&format!("{start}..{end}")) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RangeInclusive<Duration>, D::Error> {
        let text = String::deserialize(from)?;
        let (start, end) = text.split_once("..").unwrap_or((&text, &text));
        let (start, end) = (super::parse(start)?, super::parse(end)?);
        if start > end {
            return Err(de::Error::custom(format!("{text:?} ends before it begins")));
        }
        Ok(start..=end)
    }
}

impl FromStr for Ppm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no probability: write it as \"2.5%\"");
        let (whole, part) = match text.trim().strip_suffix('%').ok_or_else(wrong)?.trim().split_once('.') {
            Some((whole, part)) => (whole.to_owned(), part.to_owned()),
            None => (text.trim().trim_end_matches('%').trim().to_owned(), String::new()),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(&whole) || !digits(&part) || part.len() > 4 {
            return Err(wrong());
        }
        let ppm = format!("{whole}{part:0<4}").parse::<u32>().map_err(|_| wrong())?;
        if ppm > 1_000_000 { Err(wrong()) } else { Ok(Self(ppm)) }
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Ppm {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ppm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_read_as_they_are_written() {
        for (text, ppm) in [("0%", 0), ("2.5%", 25_000), ("100%", 1_000_000), ("0.0001%", 1), ("12%", 120_000)] {
            assert_eq!(text.parse(), Ok(Ppm(ppm)));
            assert_eq!(Ppm(ppm).to_string(), text);
        }
        for wrong in ["", "%", "2", "101%", "-1%", "1.%x", "0.00001%", ".5%", "1.2.3%"] {
            assert!(wrong.parse::<Ppm>().is_err(), "{wrong:?}");
        }
    }
}
