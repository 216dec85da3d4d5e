//! Rooms, with everybody in them. They begin with an empty log: what was said comes after them.

use std::collections::{BTreeSet, HashMap, HashSet};

use async_trait::async_trait;
use chrono_tz::Tz;
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::{
    Tables, people,
    people::Around,
    reading,
    room::{self, Facts, Field, Note, Room},
    store::{self, RoomsHere},
};
use crate::import::{
    Options,
    parts::{Batch, Made, Part, organizations},
    report::{Finding, Reason},
    source::{Reading, Row, Source},
};

/// The part.
pub(super) struct Rooms {
    reading: Reading,
    time_zone: Tz,
    full: bool,
    /// Rooms of two of this run, and which: a dry run has no table to ask, and a check neither.
    pairs: HashMap<[i64; 2], i64>,
    /// Who is around the rooms that come next.
    around: HashMap<i64, Around>,
    /// Who owns the organizations of those.
    organization_owners: HashMap<i64, i64>,
}

/// A room, and what there is to note of it.
type Judged = (Room, Vec<Note>);

impl Rooms {
    pub(super) async fn find(
        source: &mut Source,
        tables: Tables,
        options: &Options,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            reading: reading(source, tables.rooms, &Field::NAMES).await?,
            time_zone: options.time_zone,
            full: options.full,
            pairs: HashMap::new(),
            around: HashMap::new(),
            organization_owners: HashMap::new(),
        })
    }

    /// What a row becomes: nothing, if it is here or was. Or why not, and what is in the way.
    fn fate(
        &self,
        row: &Row,
        here: &RoomsHere,
        accounts: &HashSet<i64>,
    ) -> Result<Option<Judged>, Note> {
        match here.by_id.get(&row.id) {
            Some(made) if *made == room::created_at(row, self.time_zone).unwrap_or_default() => {
                return Ok(None);
            }
            Some(_) => return Err((Reason::IdTaken, Some(row.id))),
            None if here.came.contains(&row.id) => return Ok(None),
            None => {}
        }
        let nobody = Around::default();
        let organization = row.number(Field::Organization as usize);
        let facts = Facts {
            around: self.around.get(&row.id).unwrap_or(&nobody),
            organization_owner: organization
                .and_then(|id| self.organization_owners.get(&id).copied()),
            is_here: &|id| here.users.contains(&id) || accounts.contains(&id),
            room_of: &|pair| here.pairs.get(&pair).or_else(|| self.pairs.get(&pair)).copied(),
        };
        room::judge(row, &facts, self.time_zone).map(Some).map_err(|reason| (reason, None))
    }

    fn finding(&self, row: &Row, (reason, other): Note) -> Finding {
        let text = |field: Field| row.text(field as usize).ok().flatten();
        let values = self.full.then(|| {
            json!({ "name": text(Field::Name), "status": text(Field::Status),
                "user_1": text(Field::User1), "user_2": text(Field::User2),
                "organization": text(Field::Organization) })
        });
        Finding { id: row.id, reason, other, values }
    }

    async fn here(
        &self,
        rows: &[Row],
        target: &mut PgConnection,
    ) -> Result<RoomsHere, sqlx::Error> {
        let nobody = Around::default();
        let (mut people, mut pairs) = (BTreeSet::new(), Vec::new());
        for row in rows {
            let around = self.around.get(&row.id).unwrap_or(&nobody);
            let named = room::named(row, around);
            if let [one] | [one, _] = named[..] {
                let other = named.last().copied().unwrap_or(one);
                pairs.push([one.min(other), one.max(other)]);
            }
            people.extend(named);
            people.extend(&around.banned);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let people: Vec<i64> = people.into_iter().collect();
        store::rooms_here(target, &ids, &people, &pairs).await
    }
}

#[async_trait]
impl Part for Rooms {
    fn name(&self) -> &'static str {
        "rooms"
    }

    fn rule(&self) -> Option<String> {
        Some(
            "one or two people without bans and levels have a room of their own, all others are \
             groups; whoever has the most levels owns one, else its user_1, else the owner of its \
             organization, else whoever came first"
                .to_owned(),
        )
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn lock(&self, target: &mut PgConnection, greatest: i64) -> Result<i64, sqlx::Error> {
        store::lock_rooms(target).await?;
        store::rooms_up_to(target, greatest).await
    }

    async fn take_ids(&self, target: &mut PgConnection, greatest: i64) -> Result<(), sqlx::Error> {
        store::take_room_ids(target, greatest).await
    }

    async fn prepare(
        &mut self,
        rows: &[Row],
        source: &mut Source,
        _target: Option<&PgPool>,
        _made: &Made,
    ) -> anyhow::Result<()> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        self.around = people::around(source, &ids).await?;
        let organizations: BTreeSet<i64> =
            rows.iter().filter_map(|row| row.number(Field::Organization as usize)).collect();
        let organizations: Vec<i64> = organizations.into_iter().collect();
        let owners = ("id", "owner_id");
        let owners = people::links(source, organizations::TABLE, owners, &organizations).await?;
        self.organization_owners = owners.into_iter().collect();
        Ok(())
    }

    async fn take(
        &mut self,
        rows: &[Row],
        mut target: Option<&mut PgConnection>,
        made: &mut Made,
    ) -> Result<Batch, sqlx::Error> {
        let here = match &mut target {
            Some(target) => self.here(rows, target).await?,
            None => RoomsHere::default(),
        };
        let (mut batch, mut rooms) = (Batch::default(), Vec::new());
        for row in rows {
            match self.fate(row, &here, &made.accounts) {
                Ok(None) => batch.present += 1,
                Ok(Some((room, notes))) => {
                    batch.findings.extend(notes.into_iter().map(|note| self.finding(row, note)));
                    self.pairs.extend(room.direct.map(|pair| (pair, room.id)));
                    made.rooms.insert(room.id);
                    rooms.push(room);
                }
                Err(refusal) => batch.findings.push(self.finding(row, refusal)),
            }
        }
        batch.imported = rooms.len();
        if let Some(target) = target {
            // Accounts that were taken back cannot be referred to.
            rooms.retain(|room| room.people().all(|id| here.users.contains(&id)));
            store::insert_rooms(target, &rooms).await?;
        }
        Ok(batch)
    }
}
