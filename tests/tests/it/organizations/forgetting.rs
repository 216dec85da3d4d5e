//! What becomes of organizations when a person is erased.

use peyk_tests::harness::Peyk;
use shared::{
    audit::Source,
    clock::{Clock, SystemClock},
    organizations::{ForgetError, forget_user},
};

use super::steps::{audited, invite, make, role, roomy, snapshot};
use crate::{login_steps::count, people::Person};

async fn forget(peyk: &Peyk, person: &Person) -> Result<(), ForgetError> {
    let mut tx = peyk.database.pool.begin().await.unwrap();
    let lock = "SELECT id FROM users WHERE id = $1 FOR UPDATE";
    sqlx::query(lock).bind(person.id).execute(&mut *tx).await.unwrap();
    forget_user(&mut tx, person.id, &Source::system(), SystemClock.now()).await?;
    tx.commit().await.unwrap();
    Ok(())
}

#[tokio::test]
async fn an_owner_with_other_members_is_not_forgotten_before_they_hand_over() {
    let peyk = roomy().start().await;
    let (owner, member) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let (alone, shared) =
        (make(&peyk, &owner, &[]).await, make(&peyk, &owner, &[(&member, "member")]).await);
    let before = (snapshot(&peyk, alone).await, snapshot(&peyk, shared).await);
    match forget(&peyk, &owner).await {
        Err(ForgetError::Owns(ids)) => assert_eq!(ids, [shared]),
        other => panic!("{other:?}"),
    }
    assert_eq!((snapshot(&peyk, alone).await, snapshot(&peyk, shared).await), before);
    let path = format!("organizations/{shared}/transfer/");
    let given = owner.post(&peyk, &path, &serde_json::json!({"user_id": member.id})).await;
    assert_eq!(given.status, 200);
    forget(&peyk, &owner).await.unwrap();
    assert_eq!(role(&peyk, shared, &owner).await, None);
    assert_eq!(role(&peyk, shared, &member).await.as_deref(), Some("owner"));
    let gone = "SELECT count(*) FROM organizations";
    assert_eq!(count(&peyk, gone).await, 1, "what nobody else belongs to goes with its owner");
    assert_eq!(audited(&peyk, alone).await, ["system organization.deleted"]);
}

#[tokio::test]
async fn a_forgotten_persons_places_and_invitations_go() {
    let peyk = roomy().start().await;
    let (owner, gone, guest) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let left = make(&peyk, &owner, &[(&gone, "admin")]).await;
    invite(&peyk, left, &gone, &guest).await;
    let other = make(&peyk, &owner, &[]).await;
    invite(&peyk, other, &owner, &gone).await;
    invite(&peyk, other, &owner, &guest).await;
    forget(&peyk, &gone).await.unwrap();
    assert_eq!(role(&peyk, left, &gone).await, None);
    let open = "SELECT count(*) FROM organization_invitations WHERE status = 'open'";
    assert_eq!(count(&peyk, open).await, 1, "what they invited to is withdrawn");
    let number = "SELECT count(*) FROM organization_invitations i JOIN users u ON u.phone = i.phone
        WHERE u.id = 2";
    assert_eq!((gone.id, count(&peyk, number).await), (2, 0), "their number is nowhere");
    assert_eq!(audited(&peyk, left).await, ["system organization.left"]);
}
