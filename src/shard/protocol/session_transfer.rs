//! How a device comes to a new shard when there are more of them than before: the new one
//! asks the one that the device had before for a copy of its sessions.
//!
//! The old one keeps its own, so that whoever asks twice, or still sends there, finds the
//! same session.

use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::device_key::DeviceKey;

/// The version of a question and its answer.
const VERSION: u8 = 1;

/// The bytes of a question for these devices' sessions.
pub fn encode_question(keys: &[DeviceKey]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    keys.iter().for_each(|key| bytes.put(key.as_bytes()));
    bytes
}

/// The devices that a question is for.
pub fn decode_question(bytes: &[u8]) -> Result<Vec<DeviceKey>, DecodeError> {
    let mut reader = ByteReader::new(bytes, "a question of this version");
    if reader.u8()? != VERSION {
        return Err(reader.garbled());
    }
    let mut keys = Vec::new();
    while !reader.is_at_end() {
        keys.push(DeviceKey::from_bytes(reader.array()?));
    }
    Ok(keys)
}

/// The bytes of an answer: what is known of each device that was asked for; nothing of one
/// that is not known.
pub fn encode_answer(sessions: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    sessions.iter().for_each(|sessions| bytes.put_bytes(sessions.as_deref().unwrap_or_default()));
    bytes
}

/// What the answer to a question for `count` devices says of each, in their order.
pub fn decode_answer(bytes: &[u8], count: usize) -> Result<Vec<Option<Vec<u8>>>, DecodeError> {
    let mut reader = ByteReader::new(bytes, "an answer of this version");
    if reader.u8()? != VERSION {
        return Err(reader.garbled());
    }
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        let bytes = reader.bytes()?;
        sessions.push((!bytes.is_empty()).then(|| bytes.to_vec()));
    }
    reader.end()?;
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_come_as_they_were_sent() {
        let keys = [[1; 16], [2; 16]].map(DeviceKey::from_bytes);
        assert_eq!(decode_question(&encode_question(&keys)), Ok(keys.to_vec()));
        let sessions = vec![None, Some(vec![7, 8])];
        let bytes = encode_answer(&sessions);
        assert_eq!(decode_answer(&bytes, 2), Ok(sessions));
        for (bytes, count) in [(&bytes[..bytes.len() - 1], 2), (&bytes, 1), (&bytes, 3), (&[9], 0)]
        {
            assert!(decode_answer(bytes, count).is_err(), "{bytes:?} {count}");
        }
        assert!(decode_question(&[]).is_err() && decode_question(&[1, 2]).is_err());
    }
}
