//! Who calls: somebody on the staff, for what only staff do.

use std::marker::PhantomData;

use poem::{FromRequest, Request, RequestBody, Result};
use shared::admin::{
    Acting, Shown,
    roles::{Action, Role},
};

use crate::{
    caller::SignedIn,
    error::{Code, Problem},
    state::{SharedState, State},
};

/// What an operation does, as a type.
pub(crate) trait Task {
    /// The same as a value.
    const ACTION: Action;
}

/// The actions that whole operations stand for.
pub(crate) mod task {
    use super::{Action, Task};

    macro_rules! tasks {
        ($($name:ident),+) => {$(
            #[doc = concat!("See [`Action::", stringify!($name), "`].")]
            pub(crate) enum $name {}

            impl Task for $name {
                const ACTION: Action = Action::$name;
            }
        )+};
    }

    tasks!(
        LookAtUsers,
        EndSessions,
        ModerateChat,
        SwitchUsers,
        ReadAudit,
        LookAtPayments,
        ReturnMoney,
        SettlePayments,
        AdjustWallets,
        LookAtOperations,
        RunOperations,
        BlockSenders,
        LookAtMessages,
        RetryMessages,
        EditUsers,
        EraseUsers,
        LookAtKeys,
        ManageKeys
    );
}

/// Somebody on the staff who may do this, logged in; where it changes somebody's account or money, a
/// moment ago. What they are is read for each request: no token says it.
///
/// An operation that takes one answers 401 to strangers and 403 to everybody else, whatever else is
/// wrong with the request: it is the first that is looked at. So it comes before all that the request
/// brings in the operation's parameters.
pub(crate) struct Staff<T> {
    /// Whose request it is.
    pub(crate) caller: SignedIn,
    /// What they are.
    pub(crate) role: Role,
    task: PhantomData<fn() -> T>,
}

impl<'a, T: Task> FromRequest<'a> for Staff<T> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let caller = SignedIn::from_request(request, body).await?;
        let state: &SharedState = request.data().expect("the router gives every request the state");
        let role = state.admin.role_of(caller.user_id).await.map_err(Problem::from)?;
        let role = role.ok_or_else(|| Problem::new(Code::PermissionDenied))?;
        permit(state, &caller, role, T::ACTION).await?;
        Ok(Self { caller, role, task: PhantomData })
    }
}

/// Demands that their role may do this and, where it changes somebody's account, that they proved not
/// long ago who they are.
async fn permit(
    state: &State,
    caller: &SignedIn,
    role: Role,
    action: Action,
) -> Result<(), Problem> {
    if !role.may(action) {
        let (user, role) = (caller.user_id, role.as_str());
        tracing::info!(user.id = user, role, ?action, "refused to staff");
        return Err(Problem::new(Code::PermissionDenied));
    }
    if action.needs_recent_login() { caller.need_recent(state).await } else { Ok(()) }
}

impl<T> Staff<T> {
    /// For actions that ask the table of roles again, about whom they touch.
    pub(crate) fn acting(&self) -> Acting {
        let source = self.caller.source();
        Acting { user_id: self.caller.user_id, role: self.role, source }
    }

    /// How much of people they may see.
    pub(crate) fn shown(&self) -> Shown {
        if self.role.may(Action::SeePersonalData) { Shown::Whole } else { Shown::Masked }
    }
}
