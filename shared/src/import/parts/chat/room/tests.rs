use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::*;

const OPEN: [Option<&str>; 8] = [
    None,
    None,
    None,
    Some("1"),
    None,
    None,
    Some("2024-03-01 10:00:00"),
    Some("2024-03-02 10:00:00"),
];

/// `OPEN` with one cell changed.
fn with(field: Field, cell: &'static str) -> [Option<&'static str>; 8] {
    let mut cells = OPEN;
    cells[field as usize] = Some(cell);
    cells
}

fn people(ids: &[i64]) -> Around {
    Around { people: ids.to_vec(), ..Around::default() }
}

fn levels(numbers: &[i64]) -> Levels {
    numbers.iter().filter_map(|number| Level::from_number(*number)).collect()
}

/// Everybody below 100 is here, and 7 and 8 have room 3.
fn judged(cells: [Option<&str>; 8], around: &Around) -> Result<(Room, Vec<Note>), Reason> {
    let facts = Facts {
        around,
        organization_owner: Some(5),
        is_here: &|id| id < 100,
        room_of: &|pair| (pair == [7, 8]).then_some(3),
    };
    judge(&Row::of(1, &cells), &facts, Tz::UTC)
}

fn reasons(notes: &[Note]) -> Vec<&'static str> {
    notes.iter().map(|(reason, _)| reason.code()).collect()
}

#[test]
fn one_or_two_people_alone_have_a_room_of_their_own() {
    let banned = Around { banned: BTreeSet::from([9]), ..people(&[2, 1]) };
    let read_only = Around { levels: BTreeMap::from([(1, levels(&[0]))]), ..people(&[2, 1]) };
    for (around, direct, said) in [
        (people(&[2, 1]), Some([1, 2]), &[][..]),
        (people(&[4]), Some([4, 4]), &[]),
        (people(&[1, 2, 3]), None, &[]),
        (people(&[8, 7]), None, &["pair_taken"]),
        (people(&[1, 100]), None, &["member_missing"]),
        (banned, None, &[]),
        (read_only, None, &[]),
    ] {
        let (room, notes) = judged(OPEN, &around).unwrap();
        assert_eq!((room.direct, &reasons(&notes)[..]), (direct, said), "{around:?}");
        let owners = room.seats.iter().filter(|seat| seat.role == Role::Owner).count();
        assert_eq!(owners, if direct.is_some() { room.seats.len() } else { 1 }, "{around:?}");
    }
}

#[test]
fn the_columns_of_the_first_packages_name_people_too() {
    let mut cells = with(Field::User1, "7");
    cells[Field::User2 as usize] = Some("6");
    let (room, notes) = judged(cells, &people(&[6])).unwrap();
    assert_eq!((room.direct, room.user_1, room.user_2), (Some([6, 7]), Some(7), Some(6)));
    assert!(notes.is_empty());
}

#[test]
fn a_group_is_owned_by_whoever_looks_after_it() {
    let given = |id, numbers: &[i64]| (id, levels(numbers));
    let first = with(Field::User1, "3");
    for (cells, held, owner) in [
        (OPEN, vec![], 1),
        (OPEN, vec![given(2, &[1, 8])], 2),
        (OPEN, vec![given(2, &[1, 8]), given(3, &[1, 8, 9])], 3),
        (first, vec![given(2, &[1, 8])], 2),
        (first, vec![], 3),
        // Whoever only reads answers for nothing, whatever else they hold.
        (OPEN, vec![given(1, &[0, 12])], 2),
    ] {
        let around = Around { levels: held.into_iter().collect(), ..people(&[1, 2, 3]) };
        let (room, _) = judged(cells, &around).unwrap();
        let owners: Vec<_> = room
            .seats
            .iter()
            .filter(|seat| seat.role == Role::Owner)
            .map(|it| it.user_id)
            .collect();
        assert_eq!(owners, [owner], "{around:?}");
    }
    let (room, _) = judged(OPEN, &people(&[1, 2, 5])).unwrap();
    let owner = room.seats.iter().find(|seat| seat.role == Role::Owner).unwrap();
    assert_eq!(owner.user_id, 5, "the owner of the organization");
}

#[test]
fn levels_bans_and_pins_are_those_that_were_there() {
    let around = Around {
        levels: BTreeMap::from([
            (1, levels(&[2, 3, 12])),
            (2, levels(&[0, 2])),
            (3, levels(&[2])),
            (9, levels(&[1])),
        ]),
        pinned: HashSet::from([2, 9]),
        banned: BTreeSet::from([4, 100]),
        ..people(&[1, 2, 3, 4, 6])
    };
    let (room, notes) = judged(OPEN, &around).unwrap();
    let seats: Vec<_> = room.seats.iter().map(|it| (it.user_id, it.levels, it.is_pinned)).collect();
    assert_eq!(
        seats,
        [
            (1, owners(), false),
            (2, levels(&[0, 2]), true),
            (3, levels(&[1, 2]), false),
            (6, Levels::MEMBER, false),
        ]
    );
    assert_eq!((&room.banned[..], &reasons(&notes)[..]), (&[4][..], &["levels_left_out"][..]));
}

#[test]
fn a_room_without_anybody_does_not_come() {
    let banned = Around { banned: BTreeSet::from([1]), ..people(&[1]) };
    for around in [people(&[]), people(&[100, 101]), banned] {
        assert_eq!(judged(OPEN, &around).map(drop), Err(Reason::RoomEmpty), "{around:?}");
    }
}

#[test]
fn what_the_table_does_not_take_is_noted() {
    let around = people(&[1, 2, 3]);
    let (room, notes) = judged(with(Field::Status, "7"), &around).unwrap();
    assert_eq!((room.status, &reasons(&notes)[..]), (Status::Closed, &["room_status_unknown"][..]));
    let (room, notes) = judged(with(Field::Name, " دوستان\u{202e} "), &around).unwrap();
    assert_eq!(room.name.as_deref(), Some("دوستان"));
    assert_eq!(reasons(&notes), ["text_changed"]);
    let (room, notes) = judged(with(Field::CreatedAt, "yesterday"), &around).unwrap();
    assert_eq!((room.created_at.timestamp(), &reasons(&notes)[..]), (0, &["date_unreadable"][..]));
    let (_, notes) = judged(with(Field::Organization, "4"), &around).unwrap();
    assert_eq!(reasons(&notes), ["organization_left_out"]);
    let (room, notes) = judged(with(Field::Status, "3"), &around).unwrap();
    assert_eq!((room.status, notes.len()), (Status::Held, 0));
    assert_eq!((room.updated_at - room.created_at).num_hours(), 24);
}
