//! The largest amount of something that a service may ask for.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::compose::model::ByteSize;
use crate::compose::units;

const UNLIMITED: &str = "unlimited";

/// A number, a size (`"512MiB"`), a time (`"10m"`), or `"unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written", bound(deserialize = "T: Amount"))]
pub enum Limit<T> {
    Unlimited,
    At(T),
}

/// What a limit can be of.
pub trait Amount: Copy + PartialOrd {
    /// An example, for who wrote something else.
    const EXAMPLE: &'static str;

    fn read(text: &str) -> Option<Self>;
    fn of_number(number: u64) -> Option<Self>;
    fn show(self) -> serde_json::Value;
}

/// As TOML has it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    Number(u64),
    Text(String),
}

impl<T: Amount> TryFrom<Written> for Limit<T> {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let amount = match &written {
            Written::Text(text) if text == UNLIMITED => return Ok(Self::Unlimited),
            Written::Text(text) => T::read(text),
            Written::Number(number) => T::of_number(*number),
        };
        amount
            .map(Self::At)
            .ok_or_else(|| format!("expected {} or \"{UNLIMITED}\"", T::EXAMPLE))
    }
}

impl<T: Amount> Serialize for Limit<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
            Self::At(amount) => amount.show().serialize(serializer),
        }
    }
}

impl<T: Amount> Limit<T> {
    pub fn allows(&self, asked: T) -> bool {
        match self {
            Self::Unlimited => true,
            Self::At(most) => asked <= *most,
        }
    }

    pub fn is_unlimited(&self) -> bool {
        matches!(self, Self::Unlimited)
    }
}

impl Amount for u64 {
    const EXAMPLE: &'static str = "a number";

    fn read(_: &str) -> Option<Self> {
        None
    }

    fn of_number(number: u64) -> Option<Self> {
        Some(number)
    }

    fn show(self) -> serde_json::Value {
        self.into()
    }
}

impl Amount for ByteSize {
    const EXAMPLE: &'static str = "a size as \"512MiB\"";

    fn read(text: &str) -> Option<Self> {
        let bytes = units::bytes(text).ok()??;
        u64::try_from(bytes).ok().map(Self)
    }

    fn of_number(number: u64) -> Option<Self> {
        Some(Self(number))
    }

    fn show(self) -> serde_json::Value {
        self.to_string().into()
    }
}

impl Amount for Duration {
    const EXAMPLE: &'static str = "a time as \"10m\"";

    fn read(text: &str) -> Option<Self> {
        units::positive(units::duration(text).ok()?)
    }

    /// Of which unit?
    fn of_number(_: u64) -> Option<Self> {
        None
    }

    fn show(self) -> serde_json::Value {
        let nanos = i64::try_from(self.as_nanos()).unwrap_or(i64::MAX);
        units::write_duration(nanos).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Amount>(json: &str) -> Result<Limit<T>, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn amounts_are_read_in_their_units() {
        assert_eq!(read(r#""512MiB""#), Ok(Limit::At(ByteSize(512 << 20))));
        assert_eq!(read("512"), Ok(Limit::At(ByteSize(512))));
        assert_eq!(read(r#""10m""#), Ok(Limit::At(Duration::from_mins(10))));
        assert_eq!(read("7"), Ok(Limit::At(7_u64)));
        assert_eq!(read::<u64>(r#""unlimited""#), Ok(Limit::Unlimited));
    }

    #[test]
    fn what_is_no_amount_says_what_would_be() {
        for json in [r#""much""#, r#""-1""#, r#""""#] {
            let error = read::<ByteSize>(json).unwrap_err();
            assert!(error.contains("512MiB"), "{json}: {error}");
        }
        assert!(read::<Duration>("10").is_err());
        assert!(read::<u64>(r#""7""#).is_err());
        assert!(read::<u64>("-7").is_err());
    }

    #[test]
    fn a_limit_is_shown_as_it_can_be_written() {
        let show = |limit: &dyn erased::Show| limit.show();
        assert_eq!(show(&Limit::At(ByteSize(512 << 20))), r#""512MiB""#);
        assert_eq!(show(&Limit::At(Duration::from_mins(10))), r#""10m0s""#);
        assert_eq!(show(&Limit::<u64>::Unlimited), r#""unlimited""#);
    }

    mod erased {
        use super::*;

        pub(super) trait Show {
            fn show(&self) -> String;
        }

        impl<T: Amount> Show for Limit<T> {
            fn show(&self) -> String {
                serde_json::to_string(self).unwrap()
            }
        }
    }
}
