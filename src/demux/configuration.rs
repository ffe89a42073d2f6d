//! What a decoder needs before a unit: the container's header and the parameter sets in force there
//! (notes/timeline.md, "The index of a source"). Who starts at a unit gives them first, so that
//! what a frame's bytes are never depends on the way there.

use std::collections::HashMap;
use std::sync::Arc;

use super::h26x::Framing;
use super::sets::{Change, InForce, too_many};
use super::unit::Headers;
use crate::av::{Given, Needs};
use crate::error::Result;

/// Different configurations of one stream; no stream needs so many.
const MAX_CONFIGURATIONS: usize = 4096;
/// Sets in all of them.
const MAX_SETS: usize = 1 << 20;

/// The configurations of a stream and where they change. Empty where the stream's header is all
/// that is ever needed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Configurations {
    each: Vec<Configuration>,
    /// In ascending order of units; the first is of unit 0.
    places: Vec<Place>,
}

/// What is in force at a unit, its own sets among it.
#[derive(Debug, PartialEq, Eq)]
struct Configuration {
    needs: Arc<Needs>,
    framing: Option<Framing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    unit: u32,
    configuration: u32,
    restarts: bool,
}

impl Configurations {
    /// What to tell a decoder at a unit: where it starts there, or where something changes.
    pub fn given(&self, unit: u32, starts: bool) -> Option<Given> {
        let place = self.place(unit)?;
        (starts || place.unit == unit).then(|| Given {
            needs: self.each[place.configuration as usize].needs.clone(),
            restarts: starts || place.restarts,
        })
    }

    /// What is needed at a unit; none where the stream's header is all.
    pub fn needs(&self, unit: u32) -> Option<&Arc<Needs>> {
        Some(&self.each[self.place(unit)?.configuration as usize].needs)
    }

    /// How NAL units stand in a unit, by the container's header in force there; none where that is the
    /// stream's.
    pub(super) fn framing(&self, unit: u32) -> Option<Framing> {
        self.each[self.place(unit)?.configuration as usize].framing
    }

    fn place(&self, unit: u32) -> Option<&Place> {
        let behind = self.places.partition_point(|place| place.unit <= unit);
        self.places.get(behind.checked_sub(1)?)
    }

    /// Units with which something changes.
    pub fn units(&self) -> impl Iterator<Item = u32> {
        self.places.iter().map(|place| place.unit)
    }

    /// More than one is in force from this unit on.
    pub fn change_after(&self, unit: u32) -> bool {
        self.places.last().is_some_and(|place| place.unit > unit)
    }
}

/// Puts together what changed where. `closed` says which units are cut points that no picture
/// behind them refers across.
///
/// # Errors
/// LIMIT_EXCEEDED for more configurations than any stream needs.
pub fn resolve(
    headers: &Headers,
    changes: &[(u32, Change)],
    closed: &dyn Fn(u32) -> bool,
    reorder: &dyn Fn() -> u32,
) -> Result<Configurations> {
    let mut found = Found::new(headers);
    for of_unit in changes.chunk_by(|a, b| a.0 == b.0) {
        found.take(of_unit, closed)?;
    }
    Ok(found.finish(reorder))
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    header: Option<Arc<[u8]>>,
    framing: Option<Framing>,
    sets: InForce,
}

impl State {
    /// What no picture refers across.
    fn sequence(&self) -> InForce {
        let sets = self.sets.iter().filter(|(key, _)| key.is_sequence());
        sets.map(|(key, set)| (*key, set.clone())).collect()
    }
}

struct Found<'a> {
    headers: &'a Headers<'a>,
    current: State,
    known: HashMap<State, u32>,
    sets: usize,
    places: Vec<Place>,
}

impl<'a> Found<'a> {
    fn new(headers: &'a Headers<'a>) -> Self {
        let beginning = State {
            header: None,
            framing: headers.own.framing,
            sets: headers.own.sets.clone(),
        };
        Found {
            headers,
            current: beginning.clone(),
            known: HashMap::from([(beginning, 0)]),
            sets: 0,
            places: vec![Place {
                unit: 0,
                configuration: 0,
                restarts: true,
            }],
        }
    }

    fn take(&mut self, of_unit: &[(u32, Change)], closed: &dyn Fn(u32) -> bool) -> Result<()> {
        let Some((unit, _)) = of_unit.first() else {
            return Ok(());
        };
        let before = self.current.clone();
        of_unit.iter().for_each(|(_, change)| self.apply(change));
        if self.current == before {
            return Ok(());
        }
        let next = self.known.len() as u32;
        let configuration = *self.known.entry(self.current.clone()).or_insert(next);
        if configuration == next {
            self.sets += self.current.sets.len();
            if self.known.len() > MAX_CONFIGURATIONS || self.sets > MAX_SETS {
                return Err(too_many(self.sets, self.known.len()));
            }
        }
        let anew = before.header != self.current.header;
        let sequence = before.sequence() != self.current.sequence();
        self.places.push(Place {
            unit: *unit,
            configuration,
            restarts: anew || (sequence && closed(*unit)),
        });
        Ok(())
    }

    fn apply(&mut self, change: &Change) {
        let state = &mut self.current;
        match change {
            Change::Header(header) => {
                let said = self.headers.anew(header);
                if !said.is_sets {
                    state.header = (self.headers.bytes != *header).then(|| header.clone());
                }
                state.framing = said.framing;
                state.sets.extend(said.sets);
            }
            Change::Set(key, set) if set.is_empty() => drop(state.sets.remove(key)),
            Change::Set(key, set) => drop(state.sets.insert(*key, set.clone())),
        }
    }

    fn finish(self, reorder: &dyn Fn() -> u32) -> Configurations {
        let mut places = self.places;
        // In force from the first unit on is what came with it.
        if places.get(1).is_some_and(|place| place.unit == 0) {
            places.remove(0);
        }
        if places.len() == 1 && places[0].configuration == 0 {
            return Configurations::default();
        }
        places[0].restarts = true;
        let mut each: Vec<(State, u32)> = self.known.into_iter().collect();
        each.sort_unstable_by_key(|(_, id)| *id);
        let reorder = reorder();
        let own = self.headers.own.framing;
        let mut sequences = HashMap::new();
        let mut number = |state: &State| {
            let next = sequences.len() as u32;
            *sequences.entry(state.sequence()).or_insert(next)
        };
        let each = each.into_iter().map(|(state, id)| Configuration {
            framing: state.framing,
            needs: Arc::new(Needs {
                id: id + 1,
                sequence: number(&state),
                reorder,
                sets: in_front(&state.sets, own),
                header: state.header,
            }),
        });
        Configurations {
            each: each.collect(),
            places,
        }
    }
}

/// Sets as they stand in front of a unit, in a stream of this framing.
fn in_front(sets: &InForce, framing: Option<Framing>) -> Vec<u8> {
    let sets = sets.values().map(|set| &**set);
    match framing {
        Some(framing) => framing.join(sets),
        None => sets.collect::<Vec<_>>().concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sets::{Key, PICTURE};
    use super::*;

    fn set(rank: u8, id: u32, byte: u8) -> Change {
        Change::Set(Key::new(rank, id), vec![byte].into())
    }

    /// Of a stream without a header whose changes are these; every third unit is a closed cut point.
    fn resolved(changes: &[(u32, Change)]) -> Result<Configurations> {
        let headers = Headers::unknown();
        resolve(&headers, changes, &|unit| unit % 3 == 0, &|| 2)
    }

    fn told(found: &Configurations, unit: u32, starts: bool) -> Option<(Vec<u8>, bool)> {
        let given = found.given(unit, starts)?;
        Some((given.needs.sets.clone(), given.restarts))
    }

    #[test]
    fn who_starts_at_a_unit_is_given_all_that_is_in_force_there() {
        let changes = [
            (0, set(1, 0, 1)),
            (0, set(PICTURE, 0, 2)),
            (4, set(PICTURE, 1, 3)),
            (6, set(1, 0, 4)),
        ];
        let found = resolved(&changes).unwrap();
        let starts = [0, 3, 4, 5, 6, 9].map(|unit| told(&found, unit, true).unwrap());
        let sets = [
            vec![1, 2],
            vec![1, 2],
            vec![1, 2, 3],
            vec![1, 2, 3],
            vec![4, 2, 3],
        ];
        assert_eq!(
            starts[..5]
                .iter()
                .map(|(s, _)| s.clone())
                .collect::<Vec<_>>(),
            sets
        );
        assert_eq!(starts[5].0, [4, 2, 3]);
        assert!(starts.iter().all(|(_, restarts)| *restarts));
    }

    #[test]
    fn who_rolls_on_is_told_of_changes_alone_and_begins_anew_at_those_that_nothing_refers_across() {
        let changes = [
            (0, set(1, 0, 1)),
            (3, set(PICTURE, 0, 2)),
            (4, set(1, 0, 3)),
            (6, set(1, 0, 4)),
        ];
        let found = resolved(&changes).unwrap();
        let rolls = [1, 2, 3, 4, 5, 6, 7].map(|unit| told(&found, unit, false).map(|(_, r)| r));
        assert_eq!(
            rolls,
            [None, None, Some(false), Some(false), None, Some(true), None]
        );
    }

    #[test]
    fn what_comes_again_is_the_same_configuration_and_what_never_changes_is_none() {
        assert_eq!(resolved(&[]).unwrap(), Configurations::default());
        let (a, b) = (set(1, 0, 1), set(1, 0, 2));
        let changes = [(0, a.clone()), (3, b.clone()), (6, a), (9, b)];
        let found = resolved(&changes).unwrap();
        let ids = [0, 3, 6, 9].map(|unit| found.needs(unit).unwrap().id);
        assert!(ids[0] == ids[2] && ids[1] == ids[3] && ids[0] != ids[1]);
        assert!(found.change_after(0) && !found.change_after(9));
    }

    #[test]
    fn more_configurations_than_any_stream_needs_are_refused() {
        let set = |n: u32| Change::Set(Key::new(1, 0), n.to_be_bytes().to_vec().into());
        let changes: Vec<_> = (0..5000).map(|n| (n, set(n))).collect();
        let refused = resolved(&changes).unwrap_err();
        assert_eq!(refused.reason(), crate::error::Reason::MediaLimit);
        assert!(resolved(&changes[..4000]).is_ok());
    }
}
