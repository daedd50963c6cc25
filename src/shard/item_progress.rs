//! The status of an item, from its admission to the end of its last record.

use super::admission::{Admission, Refusal};
use super::copies::{Slot, Slots};
use super::protocol::batch_response::ItemStatus;
use super::quotas::reserve::QuotaShortage;

/// The status of an item by those of its records that are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProgress {
    status: ItemStatus,
    is_durable_anywhere: bool,
}

impl From<ItemStatus> for ItemProgress {
    fn from(status: ItemStatus) -> Self {
        Self { status, is_durable_anywhere: false }
    }
}

impl Admission {
    /// Returns the status of the item if all of its records become durable, and the slots of those that
    /// are in memory. Add the status of each by [`ItemProgress::and`].
    pub fn progress(&self) -> (ItemProgress, Option<&Slots>) {
        let (status, slots) = match self {
            Self::Duplicate => (ItemStatus::Duplicate, None),
            Self::Queued(slots) => (ItemStatus::Durable, Some(slots)),
            Self::DuplicateOf(slots) => (ItemStatus::Duplicate, Some(slots)),
            Self::PartlyRefused(slots) => (ItemStatus::tenant_share_full(), Some(slots)),
            Self::Refused(Refusal::Memory) => (ItemStatus::NotAdmitted, None),
            Self::Refused(Refusal::Spill) => (ItemStatus::tenant_share_full(), None),
            Self::Short(QuotaShortage::Over) => (ItemStatus::OverQuota, None),
            Self::Short(QuotaShortage::Unknown) => (ItemStatus::quota_unknown(), None),
        };
        (status.into(), slots)
    }

    /// Returns the slots of its records that are in memory.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.progress().1.into_iter().flat_map(Slots::iter)
    }
}

impl ItemProgress {
    /// Adds the status of a record.
    #[must_use]
    pub fn and(self, record: ItemStatus) -> Self {
        let is_durable_anywhere = self.is_durable_anywhere || record == ItemStatus::Durable;
        Self { status: self.status.and(record), is_durable_anywhere }
    }

    /// Whether what was charged for the item is given back. What a stream has was counted, and is not
    /// counted again when it is sent again.
    pub const fn is_refunded(&self) -> bool {
        matches!(self.status, ItemStatus::NotDurable { .. }) && !self.is_durable_anywhere
    }

    pub fn status(self) -> ItemStatus {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> ItemStatus {
        ItemStatus::NotDurable { code: "lost".to_owned(), retry_after_s: 7 }
    }

    #[test]
    fn an_item_is_refunded_only_if_no_stream_has_it() {
        use ItemStatus::{Duplicate, Durable, OverQuota, Rejected};
        let slots = Slots::from(Slot { batch: 1, index: 0 });
        let rejected = || Rejected("ValidationException".to_owned());
        for (admission, records, status, is_refunded) in [
            (Admission::Queued(slots.clone()), vec![Durable], Durable, false),
            (Admission::Queued(slots.clone()), vec![lost()], lost(), true),
            (Admission::Queued(slots.clone()), vec![rejected(), lost()], lost(), true),
            (Admission::Queued(slots.clone()), vec![Durable, lost()], lost(), false),
            (Admission::Queued(slots.clone()), vec![lost(), Durable], lost(), false),
            (Admission::Queued(slots.clone()), vec![rejected(), Durable], rejected(), false),
            (Admission::DuplicateOf(slots.clone()), vec![Durable], Duplicate, false),
            (
                Admission::PartlyRefused(slots),
                vec![Durable],
                ItemStatus::tenant_share_full(),
                false,
            ),
            (Admission::Duplicate, vec![], Duplicate, false),
            (Admission::Short(QuotaShortage::Over), vec![], OverQuota, false),
            (Admission::Short(QuotaShortage::Unknown), vec![], ItemStatus::quota_unknown(), true),
            (Admission::Refused(Refusal::Memory), vec![], ItemStatus::NotAdmitted, false),
            (Admission::Refused(Refusal::Spill), vec![], ItemStatus::tenant_share_full(), true),
        ] {
            let item = records.into_iter().fold(admission.progress().0, ItemProgress::and);
            assert_eq!((item.is_refunded(), item.status()), (is_refunded, status), "{admission:?}");
        }
    }
}
