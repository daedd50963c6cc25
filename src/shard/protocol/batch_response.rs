//! What a shard answers to a parcel: the fate of each of its items, and how they got there.

use super::batch_request::VERSION;
use crate::base::codec::{Garbled, Reader, Write};
use crate::delivery::stats::Sending;
use crate::model::session::Tag;

/// What a shard answers to a parcel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The fate of each item, in their order.
    pub fates: Vec<ItemFate>,
    /// How they were delivered.
    pub sending: Sending,
    /// The session of each item that is an event of a device, in their order; empty where nobody
    /// wants to know.
    pub tags: Vec<Option<Tag>>,
}

/// What became of one item of a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemFate {
    /// Its stream has it, or the shard's storage.
    Durable,
    /// Its event was seen before, and is durable.
    Duplicate,
    /// Its stream refuses it for itself, with this code; as a failed event it is durable.
    Refused(String),
    /// It is nowhere; the client must keep it.
    NotDurable {
        /// Why, in one word.
        code: String,
        /// When to try again, in seconds.
        retry_after_s: u64,
    },
}

impl Answer {
    /// The bytes of the answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for fate in &self.fates {
            match fate {
                ItemFate::Durable => bytes.put_u8(0),
                ItemFate::Duplicate => bytes.put_u8(1),
                ItemFate::Refused(code) => {
                    bytes.put_u8(2);
                    bytes.put_bytes(code.as_bytes());
                }
                ItemFate::NotDurable { code, retry_after_s } => {
                    bytes.put_u8(3);
                    bytes.put_bytes(code.as_bytes());
                    bytes.put_u64(*retry_after_s);
                }
            }
        }
        let Sending { wait_ms, send_ms, retries, spill_depth } = self.sending;
        bytes.put_u64(wait_ms);
        bytes.put_u64(send_ms);
        bytes.put_u32(retries);
        bytes.put_u64(spill_depth);
        for tag in &self.tags {
            match tag {
                None => bytes.put_u8(0),
                Some(tag) => {
                    bytes.put_u8(1);
                    tag.encode(&mut bytes);
                }
            }
        }
        bytes
    }

    /// The answer to a parcel of `count` items.
    pub fn decode(bytes: &[u8], count: usize) -> Result<Self, Garbled> {
        let mut reader = Reader::new(bytes, "an answer to a parcel");
        if reader.u8()? != VERSION {
            return Err(reader.garbled());
        }
        let mut answer = Self { fates: Vec::with_capacity(count), ..Self::default() };
        for _ in 0..count {
            answer.fates.push(fate(&mut reader)?);
        }
        answer.sending = Sending {
            wait_ms: reader.u64()?,
            send_ms: reader.u64()?,
            retries: reader.u32()?,
            spill_depth: reader.u64()?,
        };
        if reader.is_at_end() {
            return Ok(answer);
        }
        for _ in 0..count {
            answer.tags.push(match reader.u8()? {
                0 => None,
                1 => Some(Tag::decode(&mut reader)?),
                _ => return Err(reader.garbled()),
            });
        }
        reader.end()?;
        Ok(answer)
    }
}

fn fate(reader: &mut Reader<'_>) -> Result<ItemFate, Garbled> {
    match reader.u8()? {
        0 => Ok(ItemFate::Durable),
        1 => Ok(ItemFate::Duplicate),
        2 => Ok(ItemFate::Refused(reader.text()?.to_owned())),
        3 => {
            let code = reader.text()?.to_owned();
            Ok(ItemFate::NotDurable { code, retry_after_s: reader.u64()? })
        }
        _ => Err(reader.garbled()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::session::{OpenedBy, SessionId};

    fn told() -> Answer {
        let code = "spill_full".to_owned();
        let tag = Tag {
            id: SessionId::from_bytes([9; 16]),
            index: 3,
            started_at: -4,
            opened_by: OpenedBy::Late,
        };
        Answer {
            fates: vec![
                ItemFate::Durable,
                ItemFate::Duplicate,
                ItemFate::Refused("InvalidArgumentException".to_owned()),
                ItemFate::NotDurable { code, retry_after_s: 5 },
            ],
            sending: Sending { wait_ms: 1, send_ms: 2, retries: 3, spill_depth: 5 },
            tags: vec![Some(tag), None, None, Some(tag)],
        }
    }

    #[test]
    fn an_answer_comes_as_it_was_sent() {
        let untold = Answer { tags: Vec::new(), ..told() };
        for answer in [told(), untold] {
            let bytes = answer.encode();
            assert_eq!(Answer::decode(&bytes, 4), Ok(answer));
            assert!(Answer::decode(&bytes, 3).is_err(), "a fate too many");
            assert!(Answer::decode(&bytes, 5).is_err(), "a fate too few");
        }
    }

    #[test]
    fn what_is_cut_short_or_of_another_version_is_refused() {
        let whole = told().encode();
        let untold = Answer { tags: Vec::new(), ..told() }.encode().len();
        let read = (0..whole.len()).filter(|end| Answer::decode(&whole[..*end], 4).is_ok());
        assert_eq!(read.collect::<Vec<_>>(), [untold]);
        let mut newer = whole;
        newer[0] = VERSION + 1;
        let error = Answer::decode(&newer, 4).unwrap_err();
        assert_eq!(error.to_string(), "bytes are not an answer to a parcel");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Answer::decode(&bytes, 3);
        }
    }
}
