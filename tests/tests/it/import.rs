//! `api import-django`: accounts of the Django packages come here, and what cannot is said.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use peyk_tests::harness::{Answer, Peyk, Process, fresh_mobile};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};

use super::import_steps::{HASH, Old, accounts, empty_peyk, import};

/// What the old system signed tokens with.
const SECRET: &str = "django-secret-of-thirty-two-bytes-and-more";

/// Accounts of every kind that is imported, and what becomes of them.
async fn fill(old: &Old) -> Vec<String> {
    old.account(3, "G0-09120000001", Some(("09120000001", 0))).await;
    old.account(4, "G1-09120000001", Some(("۰۹۱۲۰۰۰۰۰۰۱", 1))).await;
    old.account(7, "sara", None).await;
    old.account(9, "boss", Some(("9120000002", 0))).await;
    old.execute(
        "UPDATE auth_user SET email = 's@example.org', first_name = 'سارا', last_name = 'ر 🌷',
             is_active = FALSE WHERE id = 7;
         UPDATE auth_user SET is_superuser = TRUE, is_staff = TRUE WHERE id = 9;
         INSERT INTO drfchelseru_wallet (user_id, amount, created_at, updated_at)
             VALUES (3, 15.5, '2024-03-01 10:00:00', '2024-03-01 10:00:00');
         INSERT INTO sms_auth_smsmessage (id, created, phone_number)
             VALUES (1, '2024-03-01 10:00:00', '+79031234567')",
    )
    .await;
    let at = "2024-03-01 10:00:00.000";
    vec![
        format!("3|G0-09120000001|+989120000001|0|t|{at}003|-||||-"),
        format!("4|G1-09120000001|+989120000001|1|t|{at}004|-||||-"),
        format!("7|sara|-|0|f|{at}007|{HASH}|s@example.org|سارا|ر 🌷|-"),
        format!("9|boss|+989120000002|0|t|{at}009|{HASH}||||-"),
    ]
}

#[tokio::test]
async fn accounts_come_from_sqlite_and_postgresql_with_their_ids_and_hashes() {
    for old in [Old::sqlite().await, Old::postgres().await] {
        let expected = fill(&old).await;
        let before = old.file.as_ref().map(|file| std::fs::read(file).unwrap());
        let peyk = empty_peyk().await;
        for mode in ["--check", "--dry-run"] {
            let (good, output) = import(&peyk, &old, &[mode, "--currency=IRT"]).await;
            assert!(good && output.contains("4 read, 4 could be imported"), "{output}");
            assert_eq!(accounts(&peyk).await, [""; 0], "{mode}");
        }
        let (good, output) = import(&peyk, &old, &["--currency=IRT"]).await;
        assert!(
            good && output.contains("4 read, 4 imported, 0 here before, 0 refused"),
            "{output}"
        );
        assert_eq!(accounts(&peyk).await, expected);
        for line in [
            "noted            1  staff_left_out",
            "wallets: 1 read, 1 imported",
            "sms_auth_smsmessage",
        ] {
            assert!(output.contains(line), "{line} is not in {output}");
        }
        assert!(
            !output.contains("drfchelseru_payment"),
            "nothing is said of empty tables: {output}"
        );
        let after = old.file.as_ref().map(|file| std::fs::read(file).unwrap());
        assert!(before == after, "the old database is only read");
    }
}

#[tokio::test]
async fn accounts_of_rest_sms_auth_have_the_phone_that_is_their_username() {
    let old = Old::sqlite().await;
    for table in ["user", "wallet"] {
        old.execute(&format!("DROP TABLE drfchelseru_{table}")).await;
    }
    old.account(1, "+989120000001", None).await;
    old.account(2, "boss", None).await;
    let peyk = empty_peyk().await;
    let (good, output) = import(&peyk, &old, &[]).await;
    assert!(good, "{output}");
    let at = "2024-03-01 10:00:00.000";
    let expected = [
        format!("1|+989120000001|+989120000001|0|t|{at}001|{HASH}||||-"),
        format!("2|boss|-|0|t|{at}002|{HASH}||||-"),
    ];
    assert_eq!(accounts(&peyk).await, expected);
}

#[tokio::test]
async fn staff_comes_as_staff_only_if_asked_for_and_with_an_event() {
    let old = Old::sqlite().await;
    old.account(1, "clerk", None).await;
    old.account(2, "boss", None).await;
    old.execute(
        "UPDATE auth_user SET is_staff = TRUE; UPDATE auth_user SET is_superuser = TRUE WHERE id = 2",
    )
    .await;
    let (plain, staffed) = (empty_peyk().await, empty_peyk().await);
    assert!(import(&plain, &old, &[]).await.0);
    assert!(import(&staffed, &old, &["--staff"]).await.0);
    let roles = "SELECT array_agg(role ORDER BY id) FROM users";
    let events = "SELECT array_agg(subject_id || ' ' || (detail->>'role') ORDER BY id)
        FROM audit_events WHERE action = 'staff.granted'";
    for (peyk, role, event) in [
        (&plain, vec![None, None], None),
        (
            &staffed,
            vec![Some("viewer".to_owned()), Some("admin".to_owned())],
            Some(vec!["1 viewer".to_owned(), "2 admin".to_owned()]),
        ),
    ] {
        let pool = &peyk.database.pool;
        let found: Vec<Option<String>> = sqlx::query_scalar(roles).fetch_one(pool).await.unwrap();
        assert_eq!(found, role);
        let found: Option<Vec<String>> = sqlx::query_scalar(events).fetch_one(pool).await.unwrap();
        assert_eq!(found, event);
    }
}

#[tokio::test]
async fn organizations_come_with_their_owners_and_not_without() {
    let old = Old::postgres().await;
    old.account(1, "G0-bad", Some(("bad", 0))).await;
    for id in 2..=5 {
        old.account(id, &format!("owner-{id}"), None).await;
    }
    for (id, owner, name, uname) in [
        (11, 1, "Nobody''s", "nobodys"),
        (12, 2, "فروشگاه", "Shop"),
        (13, 3, "Another", "shop"),
        (14, 4, "", "nameless"),
        (15, 5, "A company", "a-company.ir"),
    ] {
        old.execute(&format!(
            "INSERT INTO drfchelseru_organization (id, owner_id, name, uname, created_at)
             VALUES ({id}, {owner}, '{name}', '{uname}', '2024-03-01 10:00:00')"
        ))
        .await;
    }
    let peyk = empty_peyk().await;
    let report = std::env::temp_dir().join(format!("peyk-organizations-{}", std::process::id()));
    let file = report.display().to_string();
    // One a batch: what collides is never in the same.
    let options = ["--allow-refused", "--batch=1", "--report", &file];
    let mut said = Vec::new();
    for mode in ["--check", "--dry-run"] {
        let (good, output) = import(&peyk, &old, &[&[mode][..], &options].concat()).await;
        assert!(good && output.contains("organizations: 5 read, 2 could be imported"), "{output}");
        said.push(std::fs::read_to_string(&report).unwrap());
    }
    let (good, output) = import(&peyk, &old, &options).await;
    said.push(std::fs::read_to_string(&report).unwrap());
    std::fs::remove_file(&report).unwrap();
    assert!(said.iter().all(|text| *text == said[2]), "{said:?}");
    assert!(good && output.contains("organizations: 5 read, 2 imported"), "{output}");
    for reason in ["owner_missing", "uname_taken", "name_bad"] {
        assert!(output.contains(&format!("refused          1  {reason}")), "{output}");
    }
    let here = "SELECT concat_ws('|', o.id, o.name, o.uname, o.owner_id, m.user_id, m.role)
        FROM organizations o JOIN organization_members m ON m.organization_id = o.id ORDER BY o.id";
    let expected = ["12|فروشگاه|Shop|2|2|owner", "15|A company|a-company.ir|5|5|owner"];
    let organizations = async || -> Vec<String> {
        sqlx::query_scalar(here).fetch_all(&peyk.database.pool).await.unwrap()
    };
    assert_eq!(organizations().await, expected);
    let (_, output) = import(&peyk, &old, &["--again"]).await;
    assert!(
        output.contains("organizations: 5 read, 0 imported, 2 here before, 3 refused"),
        "{output}"
    );
    assert_eq!(organizations().await, expected);
    let next = "INSERT INTO users (username, created_at) VALUES ('next', now()) RETURNING id";
    assert_eq!(peyk.database.count(next).await, 6);
    let next = "SELECT nextval('organizations_id_seq')";
    assert_eq!(peyk.database.count(next).await, 16);
}

/// A line of a report: id, reason and whom it collides with.
fn lines(report: &str) -> Vec<(i64, String, Option<i64>)> {
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let reason = line["reason"].as_str().unwrap().to_owned();
        (line["id"].as_i64().unwrap(), reason, line["other_id"].as_i64())
    };
    report.lines().map(line).collect()
}

#[tokio::test]
async fn refusals_are_reported_by_id_and_fail_the_command_unless_allowed() {
    let old = Old::sqlite().await;
    old.account(1, "G0-09120000001", Some(("09120000001", 0))).await;
    old.account(2, "G0-9120000001", Some(("9120000001", 0))).await;
    old.account(3, "G0-secret", Some(("secret", 0))).await;
    old.account(4, "G0-09129999999", None).await;
    old.account(5, "staff", None).await;
    old.execute("UPDATE auth_user SET is_staff = TRUE WHERE id = 5").await;
    let peyk = empty_peyk().await;
    let report = std::env::temp_dir().join(format!("peyk-import-{}", std::process::id()));
    let file = report.display().to_string();
    let expected = [
        (2, "phone_taken".to_owned(), Some(1)),
        (3, "phone_bad".to_owned(), None),
        (4, "username_reserved".to_owned(), None),
        (5, "staff_left_out".to_owned(), None),
    ];
    // One row a batch: what collides is never in the same.
    for mode in [&["--check"][..], &["--dry-run"], &[]] {
        let options = [mode, &["--batch=1", "--report", &file]].concat();
        let (good, output) = import(&peyk, &old, &options).await;
        let text = std::fs::read_to_string(&report).unwrap();
        assert!(!good, "{mode:?}: {output}");
        assert!(output.contains("3 rows were refused"), "{mode:?}: {output}");
        assert_eq!(lines(&text), expected, "{mode:?}");
        for personal in ["0912", "+98", "secret"] {
            assert!(
                !text.contains(personal) && !output.contains(personal),
                "{mode:?}: {text}{output}"
            );
        }
    }
    let options = ["--again", "--allow-refused", "--report", &file, "--full"];
    let (good, output) = import(&peyk, &old, &options).await;
    let text = std::fs::read_to_string(&report).unwrap();
    std::fs::remove_file(&report).unwrap();
    assert!(good, "{output}");
    assert_eq!(lines(&text), expected[..3], "account 5 is here");
    assert!(text.contains("G0-09129999999"), "{text}");
}

/// How often an import is killed, where, and that it ends as one that is not.
#[tokio::test]
async fn an_import_that_is_killed_goes_on_where_it_was() {
    let old = Old::postgres().await;
    old.accounts(60).await;
    let whole = empty_peyk().await;
    let reports =
        [0, 1].map(|n| std::env::temp_dir().join(format!("peyk-{n}-{}", std::process::id())));
    let files = reports.each_ref().map(|file| file.display().to_string());
    let options = |file: usize| ["--batch=10", "--allow-refused", "--report", files[file].as_str()];
    let (good, output) = import(&whole, &old, &options(0)).await;
    assert!(good && output.contains("60 read, 54 imported"), "{output}");

    let killed = empty_peyk().await;
    // A batch's rows are made, and it waits to say so: none of them is there afterwards.
    let mut committed = 0;
    for (mode, batches) in [(None, 0), (Some("--resume"), 2), (Some("--resume"), 3)] {
        let arguments: Vec<&str> = ["import-django", "--from", &old.url]
            .into_iter()
            .chain(mode)
            .chain(options(1))
            .collect();
        die_in_batch(&killed, &arguments, batches).await;
        committed += batches;
        assert_eq!(accounts(&killed).await, accounts(&whole).await[..committed * 9]);
    }
    let refused = import(&killed, &old, &options(1)).await;
    assert!(!refused.0 && refused.1.contains("--resume goes on"), "{}", refused.1);
    let options = [&["--resume"][..], &options(1)].concat();
    let (good, output) = import(&killed, &old, &options).await;
    assert!(good && output.contains("60 read, 54 imported, 0 here before, 6 refused"), "{output}");
    assert_eq!(accounts(&killed).await, accounts(&whole).await);
    let [whole, killed] = reports.each_ref().map(|file| std::fs::read_to_string(file).unwrap());
    assert_eq!(whole, killed);
    for file in &reports {
        std::fs::remove_file(file).unwrap();
    }
}

/// Starts an import and kills it in the batch after so many.
async fn die_in_batch(peyk: &Peyk, arguments: &[&str], batches: usize) {
    // Whoever wants to note the batch after those waits for this row. Nobody waits for the test.
    let gate = "CREATE TABLE IF NOT EXISTS gate (open_until bigint);
        CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.last_id > (SELECT open_until FROM gate) THEN
                LOCK TABLE gate IN SHARE MODE;
            END IF;
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER gate BEFORE UPDATE ON import_progress
            FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
        DELETE FROM gate;
        INSERT INTO gate SELECT coalesce(max(last_id), 0) FROM import_progress";
    peyk.database.execute(gate).await;
    let open = sqlx::query("UPDATE gate SET open_until = open_until + $1")
        .bind(i64::try_from(batches).unwrap() * 10);
    open.execute(&peyk.database.pool).await.unwrap();
    let lock = peyk.database.hold_up_gate().await;
    let mut import: Process = peyk.spawn("api", arguments);
    lock.wait_for_waiters(1).await;
    import.kill().await;
    lock.end_waiters().await;
    lock.release().await;
}

#[tokio::test]
async fn what_changed_here_stays_when_an_import_is_repeated_and_what_was_repaired_comes() {
    let old = Old::sqlite().await;
    old.accounts(10).await;
    old.account(11, "sara", None).await;
    old.account(12, "gone", None).await;
    let peyk = empty_peyk().await;
    assert!(import(&peyk, &old, &["--allow-refused"]).await.0);
    peyk.database
        .execute(
            "UPDATE users SET password = '$argon2id$new' WHERE id = 11;
             UPDATE users SET username = 'erased-12', password = NULL, erased_at = now() WHERE id = 12",
        )
        .await;
    let changed = accounts(&peyk).await;
    old.execute(
        "UPDATE drfchelseru_user SET mobile = '09120000010' WHERE user_id = 10;
         UPDATE auth_user SET username = 'repaired' WHERE id = 10",
    )
    .await;
    let (good, output) = import(&peyk, &old, &["--again"]).await;
    assert!(good && output.contains("12 read, 1 imported, 11 here before, 0 refused"), "{output}");
    let after = accounts(&peyk).await;
    assert!(after[9].starts_with("10|repaired|+989120000010|"), "{}", after[9]);
    assert_eq!([&after[..9], &after[10..]].concat(), changed);
}

/// A refresh token of the old system, of yesterday: before the import, and after its account.
fn old_token(user: i64, exp: chrono::DateTime<chrono::Utc>) -> String {
    let iat = SystemClock.now().timestamp() - 86_400;
    let claims = json!({ "token_type": "refresh", "exp": exp.timestamp(), "iat": iat, "jti": "5f0c",
        "user_id": user });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

/// Whose access token the answer has.
async fn who(peyk: &Peyk, answer: &Answer) -> Value {
    let access = answer.json["access"].as_str().unwrap_or_else(|| panic!("{}", answer.json));
    let me = peyk.send(peyk.client().get(peyk.url("/api/me/")).bearer_auth(access)).await;
    me.json["id"].clone()
}

#[tokio::test]
async fn people_get_in_by_code_by_password_and_by_the_token_they_had_and_new_ones_get_new_ids() {
    let old = Old::sqlite().await;
    let mobile = fresh_mobile();
    old.account(17, &format!("G0-{mobile}"), Some((&mobile, 0))).await;
    old.account(18, "sara", None).await;
    old.account(19, "disabled", None).await;
    old.account(20, "G0-bad", Some(("bad", 0))).await;
    old.execute("UPDATE auth_user SET is_active = FALSE WHERE id = 19").await;
    // The last one's id is not given again: there may be tokens of it.
    old.account(4_000, "gone", None).await;
    old.execute("DELETE FROM auth_user WHERE id = 4000").await;
    let until = SystemClock.now() + chrono::TimeDelta::hours(1);
    let mut peyk = Peyk::builder()
        .set("AUTH__LEGACY_REFRESH__SECRET", SECRET)
        .set("AUTH__LEGACY_REFRESH__UNTIL", until.to_rfc3339())
        .apis(0)
        .start()
        .await;
    assert!(import(&peyk, &old, &["--allow-refused"]).await.0);
    peyk.start_api().await;
    let stranger = fresh_mobile();
    for (mobile, id) in [(&mobile, 17), (&stranger, 4_001)] {
        peyk.send_otp(mobile).await;
        let code = peyk.sandbox_code(mobile).await;
        let tokens = peyk.authenticate(mobile, &code, None).await;
        assert_eq!(who(&peyk, &tokens).await, id);
    }
    let log_in = async |username, password| {
        let body = json!({ "username": username, "password": password });
        peyk.post("/api/login/", &body).await
    };
    assert_eq!(who(&peyk, &log_in("sara", "horse-battery-9").await).await, 18);
    assert_eq!(log_in("sara", "horse-battery-8").await.status, 401);
    assert_eq!(log_in("disabled", "horse-battery-9").await.status, 401);
    let refresh = async |user| {
        let body = json!({ "refresh": old_token(user, until) });
        peyk.post("/api/token/refresh/", &body).await
    };
    assert_eq!(who(&peyk, &refresh(18).await).await, 18);
    for (user, why) in [(19, "disabled"), (20, "refused"), (4_000, "gone there")] {
        assert_eq!(refresh(user).await.status, 401, "{why}");
    }
    // The old system went on for a while: two of its new accounts have ids, one of them taken.
    old.account(4_001, "late", None).await;
    old.account(4_002, "later", None).await;
    let (good, output) = import(&peyk, &old, &["--resume"]).await;
    assert!(!good && output.contains("6 read, 4 imported, 0 here before, 2 refused"), "{output}");
    assert!(output.contains("id_taken"), "{output}");
}

#[tokio::test]
async fn a_database_in_which_people_logged_in_takes_no_import() {
    let old = Old::sqlite().await;
    old.account(5, "sara", None).await;
    let peyk = empty_peyk().await;
    peyk.database.execute("INSERT INTO users (username, created_at) VALUES ('here', now())").await;
    for mode in [&["--dry-run"][..], &[]] {
        let (good, output) = import(&peyk, &old, mode).await;
        assert!(!good && output.contains("1 rows of users here have ids up to 5"), "{output}");
    }
    assert_eq!(accounts(&peyk).await.len(), 1);
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_named_without_its_password() {
    let peyk = empty_peyk().await;
    for from in [
        "oracle://boss:hunter2@127.0.0.1/db",
        "postgres://boss:hunter2@127.0.0.1:1/db",
        "mysql://boss:hunter2@127.0.0.1:1/db",
        "sqlite:///nowhere/hunter2",
        "@/nowhere/at/all",
    ] {
        let (good, output) = peyk.run("api", &["import-django", "--from", from]).await;
        assert!(!good && output.starts_with("api: "), "{output}");
        assert!(!output.contains("hunter2"), "{output}");
    }
    let old = Old::sqlite().await;
    let (good, output) = import(&peyk, &old, &["--user-table", "people"]).await;
    assert!(!good && output.contains("no table people"), "{output}");
    let (good, output) = import(&peyk, &old, &["--user-table", "a; DROP TABLE auth_user"]).await;
    assert!(!good, "{output}");
}
