//! `admin/blocks/…`: numbers, beginnings of numbers and networks that are refused.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::{
    admin::{
        lists::{Value, blocks},
        mask,
        roles::Action,
    },
    blocks::{BadBlock, Block, BlockError, Blocked, LONGEST_REASON, MOST, NewBlock},
};

use super::{
    StaffListProblem,
    listing::{
        Asked, ByAge, example_cursor, example_search, example_sort, phone_value, staff_page,
    },
    queues::StaffOperateProblem,
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem},
    input::{Fields, FromFields, Input, Text},
    routes::{Tag, paging::example_limit, parse_phone},
    state::{SharedState, State},
    timestamp::Timestamp,
};

/// What is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum BlockKind {
    /// A number: no codes, no texts, and nobody logs in with it by a code.
    Number,
    /// An address or a network: nobody logs in from there, and no codes are asked for.
    Ip,
    /// Every number that begins so.
    Prefix,
}

impl BlockKind {
    const ALL: [(&'static str, Self); 3] =
        [("number", Self::Number), ("ip", Self::Ip), ("prefix", Self::Prefix)];
}

/// A block. Roles that do not see personal data see numbers masked (`0912***89`).
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffBlock {
    /// Its number.
    id: i64,
    /// What is blocked.
    kind: BlockKind,
    /// The number (in the national form for Iran), its beginning or the network.
    value: String,
    /// Why.
    reason: String,
    /// Since when.
    created_at: Timestamp,
    /// Whose account said so; absent if it was a command on the server.
    #[oai(skip_serializing_if_is_none)]
    created_by: Option<i64>,
    /// Until when; absent if until somebody takes it off.
    #[oai(skip_serializing_if_is_none)]
    expires_at: Option<Timestamp>,
}

impl StaffBlock {
    fn new(block: Block, whole: bool) -> Self {
        let (kind, value) = match &block.what {
            Blocked::Number(phone) => {
                let number = phone.to_national();
                (BlockKind::Number, if whole { number } else { mask::number(&number) })
            }
            Blocked::Prefix(prefix) => (BlockKind::Prefix, prefix.clone()),
            Blocked::Network(network) => (BlockKind::Ip, network.to_string()),
        };
        Self {
            id: block.id,
            kind,
            value,
            reason: block.reason,
            created_at: Timestamp(block.created_at),
            created_by: block.created_by,
            expires_at: block.expires_at.map(Timestamp),
        }
    }
}

impl Example for StaffBlock {
    fn example() -> Self {
        Self {
            id: 7,
            kind: BlockKind::Prefix,
            value: "+98935".to_owned(),
            reason: "Texts are pumped there.".to_owned(),
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            created_by: Some(3),
            expires_at: Some(Timestamp(DateTime::UNIX_EPOCH)),
        }
    }
}

staff_page!(
    /// A page of blocks.
    StaffBlockPage of StaffBlock, "admin/blocks/"
);

/// Blocks something.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct AddBlock {
    /// What kind of thing.
    kind: BlockKind,
    /// A number in any usual form; an address or a network of at most a /8 (IPv6: /16); the beginning
    /// of numbers in E.164, `+` and 3 to 14 digits.
    #[oai(validator(min_length = 1, max_length = 64))]
    value: String,
    /// Why.
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: String,
    /// Until when; until somebody takes it off if absent.
    expires_at: Option<Timestamp>,
}

impl Example for AddBlock {
    fn example() -> Self {
        Self {
            kind: BlockKind::Prefix,
            value: "+98935".to_owned(),
            reason: "Texts are pumped there.".to_owned(),
            expires_at: Some(Timestamp(DateTime::UNIX_EPOCH)),
        }
    }
}

/// The same as it is read.
pub(crate) struct BlockAsked {
    kind: BlockKind,
    value: String,
    reason: String,
    expires_at: Option<DateTime<Utc>>,
}

impl FromFields for BlockAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let word = fields.text("kind", Text::max(16));
        let kind = word.as_deref().map(|word| {
            BlockKind::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, kind)| kind)
        });
        if kind == Some(None) {
            fields.error("kind", "invalid_choice", "One of number, ip and prefix is required.");
        }
        let value = fields.text("value", Text::max(64));
        let reason = fields.text("reason", Text::max(LONGEST_REASON));
        let until = fields.optional_text("expires_at", Text::max(64));
        let expires_at = match until.as_deref().map(DateTime::parse_from_rfc3339) {
            None => None,
            Some(Ok(at)) => Some(at.to_utc()),
            Some(Err(_)) => {
                fields.error("expires_at", "invalid", "A time in RFC 3339 is required.");
                None
            }
        };
        Some(Self { kind: kind??, value: value?, reason: reason?, expires_at })
    }
}

impl BlockAsked {
    fn resolve(self, state: &State) -> Result<NewBlock, Problem> {
        let what = match self.kind {
            BlockKind::Number => {
                Ok(Blocked::Number(parse_phone(&state.phones, "value", &self.value)?))
            }
            BlockKind::Ip => Blocked::network(&self.value),
            BlockKind::Prefix => Blocked::prefix(&self.value),
        };
        let what = what.map_err(|error: BadBlock| {
            Problem::new(Code::Validation).with_field("value", "invalid", error.to_string())
        })?;
        if self.expires_at.is_some_and(|at| at <= state.clock.now()) {
            let message = "The end of the block is over.";
            return Err(Problem::new(Code::Validation).with_field("expires_at", "over", message));
        }
        Ok(NewBlock { what, reason: self.reason, expires_at: self.expires_at })
    }
}

/// A block was taken off.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct BlockRemoved {
    /// In words.
    details: String,
}

impl Example for BlockRemoved {
    fn example() -> Self {
        Self { details: "The block was taken off.".to_owned() }
    }
}

/// The operations.
pub(crate) struct StaffBlockApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffBlockApi {
    /// Who is blocked
    ///
    /// What holds now. Viewers and finance see numbers masked. Written down in the audit log.
    #[oai(path = "/admin/blocks", method = "get", operation_id = "listBlocks")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtOperations>,
        /// A whole number in any usual form, the beginning of numbers, or a network, as it is blocked.
        #[oai(example = "example_search", validator(max_length = 64))]
        search: Query<Option<String>>,
        /// Only blocks of this kind.
        #[oai(example = "example_kind")]
        kind: Query<Option<BlockKind>>,
        /// In this order; `newest` unless asked otherwise.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: what its `next` says.
        #[oai(example = "example_cursor", validator(max_length = 200))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffBlockPage>, StaffListProblem> {
        let whole = staff.role.may(Action::SeePersonalData);
        let asked = Asked::new(state.0, "admin/blocks/", (sort.0, cursor.0, limit.0))
            .search(search.0, |text| Some((&blocks::VALUE, read_search(state.0, text))))
            .with(&blocks::KIND, kind.0);
        Ok(Json(asked.page_of(&staff, |block: Block| StaffBlock::new(block, whole)).await?))
    }

    /// Block somebody
    ///
    /// In every process within a second. What is blocked already gets the new reason and end. 409 when
    /// there are 10,000. For support and admins; written down in the audit log.
    #[oai(path = "/admin/blocks", method = "post", operation_id = "addBlock")]
    async fn add(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::BlockSenders>,
        input: Input<BlockAsked, AddBlock>,
    ) -> Result<Json<StaffBlock>, StaffOperateProblem> {
        let new = input.0.resolve(state.0)?;
        let block = state.blocks.add(&staff.acting(), &new).await.map_err(Problem::from)?;
        Ok(Json(StaffBlock::new(block, true)))
    }

    /// Block somebody no longer
    ///
    /// In every process within a second. For support and admins; written down in the audit log.
    #[oai(path = "/admin/blocks/:id", method = "delete", operation_id = "removeBlock")]
    async fn remove(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::BlockSenders>,
        /// The block.
        #[oai(example = "example_block")]
        id: Path<i64>,
    ) -> Result<Json<BlockRemoved>, StaffOperateProblem> {
        let removed = state.blocks.remove(&staff.acting(), id.0).await.map_err(Problem::from)?;
        if !removed {
            return Err(Problem::new(Code::NotFound).into());
        }
        Ok(Json(BlockRemoved::example()))
    }
}

impl From<BlockError> for Problem {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::TooMany => Self::new(Code::Conflict).sentence(TOO_MANY),
            BlockError::Database(error) => error.into(),
        }
    }
}

/// See [`MOST`].
const TOO_MANY: &str = "There are 10,000 blocks, which is the most there may be.";
const _: () = assert!(MOST == 10_000, "the sentence says so");

/// As it is written down.
fn read_search(state: &State, text: &str) -> Value {
    if let Ok(phone) = state.phones.parse(text) {
        return phone_value(&phone);
    }
    let network = Blocked::network(text).ok().map(|network| network.value());
    Value::Text(network.unwrap_or_else(|| text.to_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_kind() -> Option<BlockKind> {
    Some(BlockKind::Number)
}

fn example_block() -> i64 {
    7
}
