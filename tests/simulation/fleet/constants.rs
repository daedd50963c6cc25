//! The constants of `scripts/capacity/constants.toml`, which the model of scale reads too.

use toml::Value;

const TEXT: &str = include_str!("../../../scripts/capacity/constants.toml");

#[derive(Debug, Clone)]
pub struct Constants(Value);

impl Constants {
    pub fn read() -> Self {
        Self(Value::Table(TEXT.parse().unwrap()))
    }

    /// Returns the number at `path`, such as `object.billed_gb`.
    pub fn number(&self, path: &str) -> f64 {
        let value = path.split('.').fold(&self.0, |value, key| &value[key]);
        number(value).unwrap_or_else(|| panic!("{path} is no number"))
    }

    /// Returns the shares of the levels among the events, the largest first.
    pub fn level_shares(&self) -> Vec<f64> {
        let shares = self.0["event"]["level_shares"].as_array().unwrap();
        shares.iter().map(|share| number(share).unwrap()).collect()
    }

    /// Returns Firehose's steps: GiB a month up to which a price holds, and the price.
    pub fn firehose_tiers(&self) -> Vec<(f64, f64)> {
        let tiers = self.0["prices"]["firehose_tiers"].as_array().unwrap();
        let step = |tier: &Value| (number(&tier[0]).unwrap(), number(&tier[1]).unwrap());
        tiers.iter().map(step).collect()
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64))
}
