//! Organizations: each becomes one with a single member, its owner.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::json;
use sqlx::PgConnection;

use super::{Batch, Made, Part};
use crate::{
    import::{
        Options,
        report::{Finding, Reason},
        source::{Column, Reading, Row, Unreadable, read_time},
        store::{self, OrganizationsHere},
    },
    organizations::names::Name,
};

/// Where the package keeps them.
pub(super) const TABLE: &str = "drfchelseru_organization";

/// The columns, in the order they are read.
const OWNER: usize = 0;
const NAME: usize = 1;
const UNAME: usize = 2;
const CREATED_AT: usize = 3;

/// The part.
pub(in crate::import) struct Organizations {
    reading: Reading,
    time_zone: Tz,
    full: bool,
    /// Unames of this run in small letters, and whose they are.
    seen: HashMap<String, i64>,
}

/// An organization as it will be here.
#[derive(Debug)]
pub(in crate::import) struct Organization {
    pub(in crate::import) id: i64,
    pub(in crate::import) owner_id: i64,
    pub(in crate::import) name: String,
    pub(in crate::import) uname: String,
    pub(in crate::import) created_at: DateTime<Utc>,
}

impl Organizations {
    pub(in crate::import) fn new(options: &Options) -> Self {
        let own = |name: &str| Some(Column::Own(name.to_owned()));
        let columns = ["owner_id", "name", "uname", "created_at"].map(own).to_vec();
        let reading = Reading { table: TABLE.to_owned(), join: None, columns };
        let (time_zone, full) = (options.time_zone, options.full);
        Self { reading, time_zone, full, seen: HashMap::new() }
    }

    fn created_at(&self, row: &Row) -> Option<DateTime<Utc>> {
        read_time(row.text(CREATED_AT).ok()??, self.time_zone)
    }

    fn judge(&self, row: &Row) -> Result<Organization, Reason> {
        let text = |column| row.text(column).map_err(|Unreadable| Reason::Unreadable);
        let owner_id = text(OWNER)?.and_then(|id| id.parse().ok()).ok_or(Reason::OwnerMissing)?;
        let name = text(NAME)?.and_then(Name::parse).ok_or(Reason::NameBad)?;
        let uname = text(UNAME)?.unwrap_or_default();
        if uname.is_empty() || uname.chars().count() > 255 {
            return Err(Reason::UnameBad);
        }
        Ok(Organization {
            id: row.id,
            owner_id,
            name: name.as_str().to_owned(),
            uname: uname.to_owned(),
            created_at: self.created_at(row).unwrap_or_default(),
        })
    }

    /// What a row becomes: nothing, if it is here. Or why not, and who is in the way.
    fn fate(
        &self,
        row: &Row,
        here: &OrganizationsHere,
        accounts: &HashSet<i64>,
    ) -> Result<Option<Organization>, (Reason, Option<i64>)> {
        match here.by_id.get(&row.id) {
            Some(made) if *made == self.created_at(row).unwrap_or_default() => return Ok(None),
            Some(_) => return Err((Reason::IdTaken, Some(row.id))),
            None => {}
        }
        let organization = self.judge(row).map_err(|reason| (reason, None))?;
        let uname = organization.uname.to_lowercase();
        if let Some(holder) = here.by_uname.get(&uname).or_else(|| self.seen.get(&uname)) {
            return Err((Reason::UnameTaken, Some(*holder)));
        }
        let owner = organization.owner_id;
        if !here.owners.contains(&owner) && !accounts.contains(&owner) {
            return Err((Reason::OwnerMissing, None));
        }
        Ok(Some(organization))
    }

    fn finding(&self, row: &Row, reason: Reason, other: Option<i64>) -> Finding {
        let text = |column| row.text(column).ok().flatten();
        let values = self.full.then(|| json!({ "name": text(NAME), "uname": text(UNAME) }));
        Finding { id: row.id, reason, other, values }
    }
}

#[async_trait]
impl Part for Organizations {
    fn name(&self) -> &'static str {
        "organizations"
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn lock(&self, target: &mut PgConnection, greatest: i64) -> Result<i64, sqlx::Error> {
        store::lock_organizations(target).await?;
        store::organizations_up_to(target, greatest).await
    }

    async fn take_ids(&self, target: &mut PgConnection, greatest: i64) -> Result<(), sqlx::Error> {
        store::take_organization_ids(target, greatest).await
    }

    async fn take(
        &mut self,
        rows: &[Row],
        mut target: Option<&mut PgConnection>,
        made: &mut Made,
    ) -> Result<Batch, sqlx::Error> {
        let mut here = OrganizationsHere::default();
        if let Some(target) = &mut target {
            let good: Vec<_> = rows.iter().filter_map(|row| self.judge(row).ok()).collect();
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            let owners: Vec<i64> = good.iter().map(|it| it.owner_id).collect();
            let unames: Vec<String> = good.iter().map(|it| it.uname.to_lowercase()).collect();
            here = store::organizations_here(target, &ids, &owners, &unames).await?;
        }
        let (mut batch, mut organizations) = (Batch::default(), Vec::new());
        for row in rows {
            match self.fate(row, &here, &made.accounts) {
                Ok(None) => batch.present += 1,
                Ok(Some(organization)) => {
                    if self.created_at(row).is_none() {
                        batch.findings.push(self.finding(row, Reason::DateUnreadable, None));
                    }
                    self.seen.insert(organization.uname.to_lowercase(), organization.id);
                    organizations.push(organization);
                }
                Err((reason, other)) => batch.findings.push(self.finding(row, reason, other)),
            }
        }
        batch.imported = organizations.len();
        if let Some(target) = target {
            // An owner who was taken back cannot be referred to.
            organizations.retain(|it| here.owners.contains(&it.owner_id));
            store::insert_organizations(target, &organizations).await?;
        }
        Ok(batch)
    }
}
