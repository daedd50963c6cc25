//! Sorts by numbers. It is compiled once, while each sort of the standard library is compiled for each
//! type, at some 5 kB of Wasm.

/// Returns the places of `numbers` in ascending order, each with its number. Equal ones stay in their
/// order.
#[inline(never)]
pub fn ascending(numbers: &mut dyn Iterator<Item = u64>) -> Vec<(u64, usize)> {
    let mut order: Vec<(u64, usize)> = numbers.zip(0..).collect();
    order.sort_unstable();
    order
}

/// Returns a number that is in the order of `number`.
pub const fn unsigned(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_stay_in_their_order() {
        let order = ascending(&mut [3, 1, 3, 0, 1].into_iter());
        assert_eq!(order, [(0, 3), (1, 1), (1, 4), (3, 0), (3, 2)]);
    }

    #[test]
    fn negative_numbers_come_first() {
        let numbers = [5, i64::MIN, -1, 0, i64::MAX];
        let order = ascending(&mut numbers.into_iter().map(unsigned));
        let sorted: Vec<i64> = order.iter().map(|(_, at)| numbers[*at]).collect();
        assert_eq!(sorted, [i64::MIN, -1, 0, 5, i64::MAX]);
    }
}
