//! The requests of Amplitude's SDKs.

use headwater::ingest::dialects::{DialectEndpoint, amplitude as dialect};
use headwater::model::protocol::Protocol;
use serde_json::json;

use super::captures::requests;

#[test]
fn each_event_of_each_sdk_becomes_a_valid_event() {
    for (sdk, has_time, names) in [
        ("amplitude-analytics-node", true, "identify order_placed revenue_amount group last"),
        ("amplitude-analytics-python", false, "identify order_placed revenue_amount identify"),
    ] {
        let mut found = Vec::new();
        for request in requests(sdk) {
            assert_eq!(dialect::endpoint(request.head()), Some(DialectEndpoint::Events), "{sdk}");
            let decoded = request.decoded(Protocol::Amplitude);
            assert_eq!(decoded.sent_at.is_some(), has_time, "{sdk}");
            assert_eq!(decoded.write_key.as_deref(), Some("wk_synthetic"), "{sdk}");
            for item in decoded.items {
                let name = item.name().to_owned();
                match &item.event {
                    Ok(event) => {
                        assert_eq!(event.user_id.as_deref(), Some("user-7"), "{sdk} {name}");
                        assert!(event.client_time.is_some(), "{sdk} {name}");
                    }
                    // The catalogue wants a total and a currency, which this order lacks.
                    Err(message) => assert_eq!(
                        (name.as_str(), message.as_str()),
                        ("order_placed", "order_placed 1.0.0: /props/currency is missing"),
                        "{sdk}"
                    ),
                }
                if name == "revenue_amount" {
                    let props = json!({"price": 19.9, "quantity": 2, "product_id": "p-1"});
                    assert_eq!(item.fields["props"], props, "{sdk}");
                }
                found.push(name);
            }
        }
        assert_eq!(found.join(" "), names, "{sdk}");
    }
}
