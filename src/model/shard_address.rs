//! The address of a shard: its number, and the jurisdiction in which Cloudflare keeps it.
//!
//! A Durable Object of a jurisdiction is another one than that of the same name without, so `eu-3`
//! and `3` are two shards. Each object learns its own address by its name.

use std::fmt;

use serde::{Serialize, Serializer};

use super::placement::ShardNumber;

/// Where Cloudflare runs and stores a Durable Object.
/// Sources: <https://developers.cloudflare.com/durable-objects/reference/data-location/>,
/// `DurableObjectJurisdiction` of <https://www.npmjs.com/package/@cloudflare/workers-types>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jurisdiction {
    /// In any place.
    #[default]
    None,
    Eu,
    Us,
    Fedramp,
    FedrampHigh,
}

impl Jurisdiction {
    pub const ALL: [Self; 5] = [Self::None, Self::Eu, Self::Us, Self::Fedramp, Self::FedrampHigh];

    /// Its name at Cloudflare, and `none` if there is none.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Eu => "eu",
            Self::Us => "us",
            Self::Fedramp => "fedramp",
            Self::FedrampHigh => "fedramp-high",
        }
    }

    /// Whether objects may be in any place.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Its name, unless there is none.
    pub fn restriction(self) -> Option<&'static str> {
        Some(self.name()).filter(|_| !self.is_none())
    }
}

impl Serialize for Jurisdiction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The address of a shard. As a text it is `3` or `eu-3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ShardAddress {
    #[serde(rename = "shard")]
    pub number: ShardNumber,
    #[serde(skip_serializing_if = "Jurisdiction::is_none")]
    pub jurisdiction: Jurisdiction,
}

/// What the name of a shard's object starts with, before its address.
const OBJECT: &str = "shard-";

impl ShardAddress {
    /// Parses what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (jurisdiction, number) = match text.rsplit_once('-') {
            None => (Jurisdiction::None, text),
            Some((name, number)) => {
                let is_named = |it: &Jurisdiction| it.restriction() == Some(name);
                (Jurisdiction::ALL.into_iter().find(is_named)?, number)
            }
        };
        Some(Self { number: number.parse().ok()?, jurisdiction })
    }

    /// The name of its object.
    pub fn object_name(self) -> String {
        format!("{OBJECT}{self}")
    }

    /// Returns the address of the object with this name, if it is a shard.
    pub fn of_object(name: &str) -> Option<Self> {
        Self::parse(name.strip_prefix(OBJECT)?)
    }
}

impl From<ShardNumber> for ShardAddress {
    /// Returns the address of a shard without a jurisdiction.
    fn from(number: ShardNumber) -> Self {
        Self { number, jurisdiction: Jurisdiction::None }
    }
}

impl fmt::Display for ShardAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.jurisdiction.restriction() {
            formatter.write_str(name)?;
            formatter.write_str("-")?;
        }
        self.number.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written() {
        for (number, jurisdiction, text) in [
            (0, Jurisdiction::None, "0"),
            (255, Jurisdiction::None, "255"),
            (3, Jurisdiction::Eu, "eu-3"),
            (12, Jurisdiction::Us, "us-12"),
            (0, Jurisdiction::Fedramp, "fedramp-0"),
            (7, Jurisdiction::FedrampHigh, "fedramp-high-7"),
        ] {
            let address = ShardAddress { number, jurisdiction };
            assert_eq!(address.to_string(), text);
            assert_eq!(ShardAddress::parse(text), Some(address));
            assert_eq!(address.object_name(), format!("shard-{text}"));
            assert_eq!(ShardAddress::of_object(&address.object_name()), Some(address));
        }
        for text in ["", "-", "-3", "eu", "eu-", "eu3", "none-3", "EU-3", "mars-3", "eu--3", "3-eu"]
        {
            assert_eq!(ShardAddress::parse(text), None, "{text:?}");
        }
        for name in ["reports", "reports-eu", "inspector", "eu-shard-3", "shard-", "shard-x"] {
            assert_eq!(ShardAddress::of_object(name), None, "{name:?}");
        }
    }

    #[test]
    fn an_answer_names_a_jurisdiction_only_if_there_is_one() {
        for (address, json) in [
            (ShardAddress::from(3), r#"{"shard":3}"#),
            (
                ShardAddress { number: 3, jurisdiction: Jurisdiction::FedrampHigh },
                r#"{"shard":3,"jurisdiction":"fedramp-high"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&address).unwrap(), json);
        }
    }
}
