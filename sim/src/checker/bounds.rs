//! Bounds: what nobody authenticated stays small.

use super::{Property, Violation};

/// Checks a host's provisional state against its limit.
pub fn check(node: usize, (held, limit): (usize, usize)) -> Result<(), Violation> {
    if held <= limit {
        Ok(())
    } else {
        Err(Violation::new(Property::Bounds, node, format!("{held} bytes of provisional state, the limit is {limit}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_too_many_is_noticed() {
        assert_eq!(check(0, (10, 10)), Ok(()));
        assert_eq!(check(0, (11, 10)).unwrap_err().property, Property::Bounds);
    }
}
