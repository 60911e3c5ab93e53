//! The start order of processes that depend on each other.

/// The indices of `needs`, ordered so that each comes after those in its list, and otherwise ascending. Of a dependency cycle,
/// the member found first comes last. Indices out of range are ignored.
#[must_use]
pub fn start_order(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(needs.len());
    let mut is_met = vec![false; needs.len()];
    for first in 0..needs.len() {
        // The path of the depth-first search: each index with the number of its needs already visited. Not recursive, since a
        // chain can be as long as a manifest.
        let mut path = Vec::new();
        meet(first, &mut is_met, &mut path);
        while let Some((current, visited)) = path.last_mut() {
            let next = needs.get(*current).and_then(|list| list.get(*visited)).copied();
            *visited += 1;
            match next {
                Some(next) => meet(next, &mut is_met, &mut path),
                None => {
                    order.push(*current);
                    path.pop();
                }
            }
        }
    }
    order
}

fn meet(number: usize, is_met: &mut [bool], path: &mut Vec<(usize, usize)>) {
    if let Some(is_met) = is_met.get_mut(number)
        && !std::mem::replace(is_met, true)
    {
        path.push((number, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::start_order;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn what_needs_nothing_stays_where_it_is() {
        assert_eq!(start_order(&[vec![], vec![], vec![]]), [0, 1, 2]);
        assert!(start_order(&[]).is_empty());
    }

    #[test]
    fn what_is_needed_comes_first() {
        assert_eq!(start_order(&[vec![2], vec![], vec![1]]), [1, 2, 0]);
    }

    #[test]
    fn a_circle_is_begun_somewhere() {
        assert_eq!(start_order(&[vec![1], vec![0, 2], vec![]]), [2, 1, 0]);
        assert_eq!(start_order(&[vec![0, 7]]), [0]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let chain: Vec<Vec<usize>> = (1..200_000).map(|next| vec![next]).chain([vec![]]).collect();
        assert!(start_order(&chain).into_iter().eq((0..200_000).rev()));
    }

    proptest! {
        #[test]
        fn each_comes_once_and_after_what_it_needs(lists in vec(vec(0..12_usize, 0..5), 0..12)) {
            // Each entry needs only earlier ones of a shuffled numbering, so there is no cycle.
            let count = lists.len();
            let renumbered = |number: usize| (number * 7 + 3) % count.max(1);
            prop_assume!(!count.is_multiple_of(7));
            let mut needs = vec![Vec::new(); count];
            for (number, list) in lists.iter().enumerate() {
                let earlier = list.iter().filter(|needed| **needed < number);
                needs[renumbered(number)] = earlier.map(|needed| renumbered(*needed)).collect();
            }
            let order = start_order(&needs);
            let place = |number: usize| order.iter().position(|other| *other == number);
            prop_assert_eq!(order.len(), count);
            for (number, list) in needs.iter().enumerate() {
                prop_assert!(place(number).is_some());
                for needed in list {
                    prop_assert!(place(*needed) < place(number), "{} before {}", needed, number);
                }
            }
        }

        #[test]
        fn any_lists_give_each_number_once(needs in vec(vec(0..20_usize, 0..6), 0..12)) {
            let mut order = start_order(&needs);
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..needs.len()));
        }
    }
}
