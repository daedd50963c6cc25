//! The error of a shard's call, encoded so that the caller gets the same error.
//!
//! The two may have different versions during a deployment. An error that the caller cannot decode
//! is kept as its text.

use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::shard::AdmitError;
use crate::shard::storage::StorageError;

/// The version of an encoded error. No text of an earlier version begins with this byte.
const VERSION: u8 = 1;

/// Why a shard did not do what it was called for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Its memory is full; the caller delivers directly.
    #[error("shard holds {held} bytes, limit {limit}")]
    BufferFull {
        /// Bytes in memory.
        held: u64,
        /// The most bytes in memory.
        limit: u64,
    },
    /// Its storage cannot be read or written.
    #[error("{0}")]
    Storage(String),
    /// The request is not one of the shard's version.
    #[error("{0}")]
    Malformed(String),
    /// The configuration has errors.
    #[error("{0}")]
    NotConfigured(String),
    /// The previous shard of some devices does not return their sessions.
    #[error("{0}")]
    NoPreviousSessions(String),
    /// The records of this stream cannot be moved, since they are being delivered.
    #[error("what waits for {0} is being tried")]
    InDelivery(String),
    #[error("no such question")]
    UnknownMethod,
    /// Unreachable unless there is a bug.
    #[error("shard is not loaded")]
    NotLoaded,
    /// An error of another version, or of an object that is no shard.
    #[error("{0}")]
    Other(String),
}

impl ShardError {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.code()];
        match self {
            Self::BufferFull { held, limit } => {
                bytes.put_u64(*held);
                bytes.put_u64(*limit);
            }
            Self::Storage(text)
            | Self::Malformed(text)
            | Self::NotConfigured(text)
            | Self::NoPreviousSessions(text)
            | Self::InDelivery(text)
            | Self::Other(text) => bytes.put_bytes(text.as_bytes()),
            Self::UnknownMethod | Self::NotLoaded => {}
        }
        bytes
    }

    /// Decodes the error; [`Self::Other`] if it is no encoded error of this version.
    pub fn decode(bytes: &[u8]) -> Self {
        Self::read(bytes)
            .unwrap_or_else(|_| Self::Other(String::from_utf8_lossy(bytes).into_owned()))
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(bytes, "an error of this version");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let code = reader.u8()?;
        let mut text = || reader.text().map(str::to_owned);
        let error = match code {
            1 => Self::BufferFull { held: reader.u64()?, limit: reader.u64()? },
            2 => Self::Storage(text()?),
            3 => Self::Malformed(text()?),
            4 => Self::NotConfigured(text()?),
            5 => Self::NoPreviousSessions(text()?),
            6 => Self::InDelivery(text()?),
            7 => Self::UnknownMethod,
            8 => Self::NotLoaded,
            9 => Self::Other(text()?),
            _ => return Err(reader.malformed()),
        };
        reader.end()?;
        Ok(error)
    }

    const fn code(&self) -> u8 {
        match self {
            Self::BufferFull { .. } => 1,
            Self::Storage(_) => 2,
            Self::Malformed(_) => 3,
            Self::NotConfigured(_) => 4,
            Self::NoPreviousSessions(_) => 5,
            Self::InDelivery(_) => 6,
            Self::UnknownMethod => 7,
            Self::NotLoaded => 8,
            Self::Other(_) => 9,
        }
    }
}

impl From<AdmitError> for ShardError {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::BufferFull { held, limit } => {
                Self::BufferFull { held: held as u64, limit: limit as u64 }
            }
            AdmitError::Storage(error) => error.into(),
        }
    }
}

impl From<StorageError> for ShardError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<DecodeError> for ShardError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn errors() -> Vec<ShardError> {
        let text = || "ä text".to_owned();
        vec![
            ShardError::BufferFull { held: 7, limit: u64::MAX },
            ShardError::Storage(text()),
            ShardError::Malformed(text()),
            ShardError::NotConfigured(text()),
            ShardError::NoPreviousSessions(text()),
            ShardError::InDelivery(text()),
            ShardError::UnknownMethod,
            ShardError::NotLoaded,
            ShardError::Other(text()),
        ]
    }

    #[test]
    fn an_error_is_the_same_on_both_sides() {
        for (index, error) in errors().into_iter().enumerate() {
            assert_eq!(usize::from(error.code()), index + 1, "{error:?}");
            assert_eq!(ShardError::decode(&error.encode()), error);
        }
    }

    #[test]
    fn an_error_of_another_version_is_kept_as_its_text() {
        for text in ["", "shard is not loaded", "\u{2}x", "\u{1}\u{c8}"] {
            assert_eq!(ShardError::decode(text.as_bytes()), ShardError::Other(text.to_owned()));
        }
        let cut = ShardError::Storage("x".to_owned()).encode();
        let cut = cut.split_last().unwrap().1;
        assert!(matches!(ShardError::decode(cut), ShardError::Other(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = ShardError::decode(&bytes);
        }
    }
}
