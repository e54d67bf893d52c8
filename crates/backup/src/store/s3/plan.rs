//! Into how large pieces an upload is cut: pure, so that what S3 refuses is known before the first byte.
//!
//! Limits: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.

/// The smallest part that S3 takes, but for the last.
pub(crate) const LEAST: u64 = 5 << 20;
/// The largest part.
pub(crate) const MOST: u64 = 5 << 30;
/// The most parts of one upload.
pub(crate) const PARTS: u32 = 10_000;
/// The size of parts where nothing asks for more: three of them are in memory at once, and rows of 4 MiB beside them.
pub(crate) const USUAL: u64 = 6 << 20;
/// Parts of more bytes wait on disk, not in memory.
pub(crate) const IN_MEMORY: u64 = 16 << 20;

const MIB: u64 = 1 << 20;

/// How an upload is cut into parts.
///
/// Where sizes may grow, the first four fifths of the parts have one size, which is enough for what was expected;
/// then the size doubles ten times, so that a wrong expectation costs larger parts and not the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartPlan {
    base: u64,
    most_parts: u32,
    uniform: bool,
}

impl PartPlan {
    /// The plan for about `expected` bytes, or for nobody knows how many.
    pub(crate) fn new(expected: Option<u64>, size: Option<u64>, most_parts: u32, uniform: bool) -> Self {
        let most_parts = most_parts.clamp(1, PARTS);
        let steady = if uniform { most_parts } else { steady(most_parts) };
        // A tenth more than expected: frames, index, seek table.
        let expected = expected.unwrap_or(0);
        let needed = (expected + expected / 10).div_ceil(steady.into());
        let base = size.unwrap_or_else(|| needed.next_multiple_of(MIB).max(USUAL)).clamp(LEAST, MOST);
        Self { base, most_parts, uniform }
    }

    /// The size of a part, numbered from 1; `None` past the last that there may be.
    pub(crate) fn size(&self, number: u32) -> Option<u64> {
        if number == 0 || number > self.most_parts {
            return None;
        }
        let steady = steady(self.most_parts);
        if self.uniform || number <= steady {
            return Some(self.base);
        }
        // From 1 to 10 over the last fifth.
        let doublings = 1 + u64::from(number - steady - 1) * 10 / u64::from(self.most_parts - steady);
        Some((self.base << doublings.min(10)).min(MOST))
    }

    /// The size of the first part.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The most parts that there may be.
    pub(crate) fn most_parts(&self) -> u32 {
        self.most_parts
    }

    /// How many bytes fit.
    pub(crate) fn capacity(&self) -> u64 {
        (1..=self.most_parts).filter_map(|number| self.size(number)).sum()
    }

    /// How many parts of that size are under way at once, besides the one that is being filled.
    pub(crate) fn in_flight(size: u64) -> usize {
        // In memory, two besides the one that is filled are what a bound of 128 MiB for the whole leaves room for.
        if size <= IN_MEMORY { 2 } else { 3 }
    }
}

/// The number of parts before sizes grow.
fn steady(most_parts: u32) -> u32 {
    most_parts - most_parts / 5
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TB: u64 = 1_000_000_000_000;

    /// Numbers and sizes of the parts that so many bytes are cut into; `None` if they do not fit.
    fn cut(plan: &PartPlan, mut bytes: u64) -> Option<Vec<u64>> {
        let mut sizes = Vec::new();
        while bytes > 0 {
            let size = plan.size(u32::try_from(sizes.len()).unwrap() + 1)?.min(bytes);
            sizes.push(size);
            bytes -= size;
        }
        Some(sizes)
    }

    fn is_within_the_limits(sizes: &[u64], most_parts: usize) {
        assert!(sizes.len() <= most_parts, "{} parts", sizes.len());
        let (last, others) = sizes.split_last().unwrap();
        assert!(*last <= MOST);
        assert!(others.iter().all(|size| (LEAST..=MOST).contains(size)));
    }

    #[test]
    fn two_and_forty_terabytes_fit_where_ten_thousand_parts_are_taken() {
        for bytes in [2 * TB, 40 * TB] {
            for uniform in [false, true] {
                let plan = PartPlan::new(Some(bytes), None, PARTS, uniform);
                is_within_the_limits(&cut(&plan, bytes).unwrap(), 10_000);
            }
        }
    }

    #[test]
    fn two_terabytes_fit_into_a_thousand_parts_and_forty_cannot() {
        for uniform in [false, true] {
            let plan = PartPlan::new(Some(2 * TB), None, 1000, uniform);
            is_within_the_limits(&cut(&plan, 2 * TB).unwrap(), 1000);
            // 1,000 parts of 5 GiB are all that such a store takes.
            let plan = PartPlan::new(Some(40 * TB), None, 1000, uniform);
            assert_eq!(plan.capacity(), 1000 * MOST);
            assert_eq!(cut(&plan, 40 * TB), None);
        }
    }

    #[test]
    fn uniform_parts_are_all_of_one_size() {
        let plan = PartPlan::new(Some(2 * TB), None, PARTS, true);
        let sizes = cut(&plan, 2 * TB).unwrap();
        assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == plan.base()));
        assert_eq!(cut(&PartPlan::new(None, None, PARTS, true), TB), None, "it does not grow");
    }

    #[test]
    fn an_unexpected_terabyte_costs_larger_parts_and_not_the_archive() {
        let plan = PartPlan::new(Some(1 << 30), None, PARTS, false);
        assert_eq!(plan.base(), USUAL);
        assert_eq!(plan.size(8000), Some(USUAL));
        assert_eq!(plan.size(8001), Some(2 * USUAL));
        assert_eq!(plan.size(10_000), Some(1024 * USUAL.min(MOST >> 10)));
        is_within_the_limits(&cut(&plan, 2 * TB).unwrap(), 10_000);
    }

    #[test]
    fn a_small_archive_is_in_parts_that_wait_in_memory() {
        let plan = PartPlan::new(Some(100_000_000_000), None, PARTS, false);
        assert!(plan.base() <= IN_MEMORY, "{}", plan.base());
        assert_eq!(PartPlan::new(None, Some(1), PARTS, false).base(), LEAST);
    }

    proptest! {
        #[test]
        fn what_was_expected_always_fits(bytes in 1..48 * TB, most_parts in 1..=PARTS, uniform: bool) {
            let plan = PartPlan::new(Some(bytes), None, most_parts, uniform);
            prop_assert!(plan.capacity() >= bytes || plan.base() == MOST);
            let sizes: Vec<_> = (1..=most_parts).map(|number| plan.size(number).unwrap()).collect();
            prop_assert!(sizes.is_sorted() && sizes.iter().all(|size| (LEAST..=MOST).contains(size)));
            prop_assert_eq!(plan.size(most_parts + 1), None);
        }
    }
}
