//! Moves devices when the number of shards increases: the new shard of a device requests a copy of
//! its sessions from the previous one.
//!
//! The previous shard keeps its own, so a repeated request, or an event that is still sent there,
//! finds the same session.

use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::device_key::DeviceKey;

/// The version of a request and its response.
const VERSION: u8 = 1;

/// Encodes a request for the sessions of these devices.
pub fn encode_question(keys: &[DeviceKey]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    keys.iter().for_each(|key| bytes.put(key.as_bytes()));
    bytes
}

/// Reads the devices of a request.
pub fn decode_question(bytes: &[u8]) -> Result<Vec<DeviceKey>, DecodeError> {
    let mut reader = ByteReader::new(bytes, "a question of this version");
    if reader.u8()? != VERSION {
        return Err(reader.malformed());
    }
    let mut keys = Vec::new();
    while !reader.is_at_end() {
        keys.push(DeviceKey::from_bytes(reader.array()?));
    }
    Ok(keys)
}

/// Encodes a response: the sessions of each requested device, or no bytes if it is unknown.
pub fn encode_answer(sessions: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    sessions.iter().for_each(|sessions| bytes.put_bytes(sessions.as_deref().unwrap_or_default()));
    bytes
}

/// Reads the sessions in the response to a request for `count` devices, in their order.
pub fn decode_answer(bytes: &[u8], count: usize) -> Result<Vec<Option<Vec<u8>>>, DecodeError> {
    let mut reader = ByteReader::new(bytes, "an answer of this version");
    if reader.u8()? != VERSION {
        return Err(reader.malformed());
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
