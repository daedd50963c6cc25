//! Reads the items of a request one after the other. Members that neighbours share, such as the resource
//! of log records, are read once.
//!
//! Nothing else differs from [`super::beacon`]: an item that can't be read in this way is read as a
//! whole, from its first byte on.

use std::rc::Rc;

use super::translation::{Draft, ItemHead, Translation};
use super::{beacon, fields_of, otlp};
use crate::base::json::JsonReader;
use crate::model::beacon::{Beacon, Limits};
use crate::model::violation::Violation;
use crate::pipeline::decode::{ValueBudget, read_beacon};

/// Reads items in their order, and translates each into a beacon.
#[derive(Debug)]
pub struct ItemReader<'t> {
    translation: Translation<'t>,
    budget: ValueBudget,
    /// The lengths of the heads of the items that are still to be read.
    heads: std::vec::IntoIter<usize>,
    /// The head of the last item.
    head: String,
    /// What it says, if two items have had it; none within if it can't be read alone.
    read: Option<Option<ReadHead>>,
}

/// A head that has been read.
#[derive(Debug)]
struct ReadHead {
    /// What it takes of the budget of each item that has it.
    values: usize,
    weight: usize,
    head: Rc<ItemHead>,
}

impl<'t> ItemReader<'t> {
    /// Begins a request whose items have so many `bytes`, and these `heads`.
    pub fn new(translation: Translation<'t>, bytes: usize, heads: Vec<usize>) -> Self {
        let budget = ValueBudget::of_request(translation.limits, bytes);
        Self { translation, budget, heads: heads.into_iter(), head: String::new(), read: None }
    }

    /// Reads the next item.
    pub fn beacon(&mut self, text: &str) -> Result<Beacon, Violation> {
        let head = self.heads.next().and_then(|length| text.get(..length)).unwrap_or_default();
        if !is_same(head, &self.head) {
            head.clone_into(&mut self.head);
            self.read = None;
        } else if !head.is_empty() {
            if self.read.is_none() {
                self.read = Some(read_head(head, self.translation.limits));
            }
            if let Some((item, head)) = self.item_after_head(text) {
                let Beacon { fields, reader_repairs, left_out } = item;
                let draft = Draft { item: fields, head: Some(head), ..Draft::default() };
                let fields = fields_of(draft, &self.translation)?;
                return Ok(Beacon { fields, reader_repairs, left_out });
            }
        }
        beacon(text, &self.translation, self.translation.limits, &mut self.budget)
    }

    /// Reads what follows the head of an item; none if the item is not within the limits.
    fn item_after_head(&mut self, text: &str) -> Option<(Beacon, Rc<ItemHead>)> {
        let read = self.read.as_ref()?.as_ref()?;
        let limits = self.translation.limits;
        if text.len() > limits.max_beacon_bytes {
            return None;
        }
        let max_values = limits.max_beacon_values.min(self.budget.values);
        let max_values = max_values.checked_sub(read.values)?;
        let max_weight = self.budget.weight.checked_sub(read.weight)?;
        let mut reader = JsonReader::new(limits.max_depth, max_values, max_weight);
        let fields = reader.later_members(text, self.head.len())?;
        let values = reader.values.saturating_add(read.values);
        self.budget.values = self.budget.values.saturating_sub(values);
        self.budget.weight = reader.weight_left;
        Some((read_beacon(fields, reader), Rc::clone(&read.head)))
    }
}

/// Reads a head; none if an item with it can't be read, or is repaired.
fn read_head(head: &str, limits: &Limits) -> Option<ReadHead> {
    let mut reader = JsonReader::new(limits.max_depth, limits.max_beacon_values, usize::MAX);
    let members = reader.beacon(&[head, "}"].concat()).ok()?;
    // The members that follow belong to the same object, which takes the rest of this.
    reader.reader_repairs.is_empty().then(|| ReadHead {
        values: reader.values.saturating_sub(JsonReader::VALUES_OF_OBJECT),
        weight: usize::MAX
            .saturating_sub(reader.weight_left)
            .saturating_sub(JsonReader::WEIGHT_OF_OBJECT),
        head: Rc::new(otlp::head_of(members)),
    })
}

/// Whether two texts are equal. Wasm compares bytes one by one, these are compared in words.
fn is_same(one: &str, other: &str) -> bool {
    let ((words, rest), (other_words, other_rest)) =
        (one.as_bytes().as_chunks::<8>(), other.as_bytes().as_chunks::<8>());
    words == other_words && rest == other_rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::protocol::Protocol;
    use crate::pipeline::decode::protocols::{ProtocolItems, ProtocolRequest, items};

    const HEADS: [&str; 6] = [
        r#"{"attributes":[{"key":"service.version","value":{"stringValue":"1"}},{"key":"a","value":{"intValue":"7"}}]}"#,
        r#"{"attributes":[{"key":"user.id","value":{"stringValue":"u"}},{"key":"enduser.id","value":{"stringValue":"e"}}],"b":[1,{}]}"#,
        r#"{"attributes":[{"key":"http.request.header.referer","value":{"arrayValue":{"values":[{"stringValue":"r"}]}}}]}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":1,"a":2}"#,
        "null",
    ];
    const RECORDS: [&str; 7] = [
        r#"{"eventName":"a"}"#,
        r#"{"eventName":"a","timeUnixNano":"1795162380755000000"}"#,
        r#"{"eventName":"B","attributes":[{"key":"user.id","value":{"stringValue":"v"}},{"key":"x","value":{"doubleValue":1}}]}"#,
        r#"{"eventName":"a","body":{"stringValue":"\udc00"},"traceId":"5B"}"#,
        r#"{"eventName":7}"#,
        r#"{"eventName":"a","eventName":"b"}"#,
        "[]",
    ];

    fn of_request(body: &str, limits: &Limits) -> ProtocolItems<'static> {
        let request = ProtocolRequest { body: body.as_bytes(), ..ProtocolRequest::default() };
        items(Protocol::Otlp, &request, limits).unwrap().into_owned()
    }

    proptest! {
        /// With any limits, so that each item of a request can be the first that exceeds one.
        #[test]
        fn an_item_is_read_as_without_its_neighbours(
            scopes in proptest::collection::vec((0..HEADS.len(), 0..HEADS.len(), proptest::collection::vec(0..RECORDS.len(), 0..5)), 0..4),
            max_request_values in 0_usize..400,
            max_beacon_values in 4_usize..40,
            max_beacon_bytes in 60_usize..500,
            max_depth in 2_usize..8,
            bytes in 0_usize..2_000,
            weight in 0_usize..500,
        ) {
            let scope = |(resource, scope, records): &(usize, usize, Vec<usize>)| {
                let records: Vec<&str> = records.iter().map(|record| RECORDS[*record]).collect();
                format!(
                    r#"{{"resource":{},"scopeLogs":[{{"scope":{},"logRecords":[{}]}}]}}"#,
                    HEADS[*resource], HEADS[*scope], records.join(","),
                )
            };
            let scopes: Vec<String> = scopes.iter().map(scope).collect();
            let body = format!(r#"{{"resourceLogs":[{}]}}"#, scopes.join(","));
            let usual = Limits::default();
            let limits = Limits {
                max_request_values, max_beacon_values, max_beacon_bytes, max_depth, ..usual
            };
            let ProtocolItems { texts, heads, .. } = of_request(&body, &limits);
            prop_assert_eq!(texts.len(), heads.len());
            let translation = Translation {
                protocol: Protocol::Otlp, tenant: "shop", names: &[], limits: &limits, heartbeat_s: None,
            };
            let mut reader = ItemReader::new(translation, bytes, heads);
            let mut budget = ValueBudget::of_request(&limits, bytes);
            for budget in [&mut reader.budget, &mut budget] {
                budget.weight = weight;
            }
            for text in texts {
                let alone = beacon(&text, &translation, &limits, &mut budget);
                prop_assert_eq!(reader.beacon(&text), alone);
                prop_assert_eq!(reader.budget.values, budget.values);
                prop_assert_eq!(reader.budget.weight, budget.weight);
            }
        }
    }

    #[test]
    fn what_items_share_is_read_once() {
        let head = HEADS[0];
        let body = format!(
            r#"{{"resourceLogs":[{{"resource":{head},"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#,
            [RECORDS[0]; 3].join(","),
        );
        let limits = Limits::default();
        let ProtocolItems { texts, heads, .. } = of_request(&body, &limits);
        let translation = Translation {
            protocol: Protocol::Otlp,
            tenant: "shop",
            names: &[],
            limits: &limits,
            heartbeat_s: None,
        };
        let mut reader = ItemReader::new(translation, body.len(), heads);
        let mut records = texts.iter().map(|text| {
            reader.beacon(text).unwrap();
            reader.read.as_ref().map(|read| Rc::as_ptr(&read.as_ref().unwrap().head))
        });
        let (first, second, third) = (records.next(), records.next(), records.next());
        assert_eq!(first, Some(None));
        assert!(second.unwrap().is_some());
        assert_eq!(second, third);
    }
}
