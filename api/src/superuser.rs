//! `api createsuperuser`: the first admin, asked for as Django asks.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, bail, ensure};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use shared::{
    admin::superuser::{self, NewSuperuser},
    auth::passwords::{
        Passwords,
        rules::{self, Owner},
    },
    clock::{Clock, SystemClock},
    config::{Config, LoginMethod},
    db,
    phone::{PhoneNumber, PhoneRules},
    users::{
        email,
        username::{Username, UsernameError},
    },
};

/// What is known of the admin to be made; what is not is asked for.
#[derive(Debug, Args)]
pub(crate) struct Superuser {
    /// The user name
    #[arg(long)]
    username: Option<String>,
    /// An e-mail address; may be empty
    #[arg(long)]
    email: Option<String>,
    /// A mobile number, in any usual form, with which a code logs in
    #[arg(long)]
    phone: Option<String>,
    /// Read the password from the first line of standard input, and ask nothing
    #[arg(long)]
    password_stdin: bool,
}

/// Makes the admin and returns what to print.
///
/// # Errors
/// When something is not given or cannot be used, when the name or number is taken, when the database
/// is away.
pub(crate) async fn execute(config: &Config, given: Superuser) -> anyhow::Result<String> {
    let asks = !given.password_stdin && io::stdin().is_terminal();
    ensure!(
        asks || given.password_stdin,
        "nobody can be asked here: give --username and --password-stdin"
    );
    let phone = given.phone.as_deref().map(|text| read_phone(config, text)).transpose()?;
    let by_password = config.auth.methods.contains(&LoginMethod::Password);
    ensure!(
        by_password || phone.is_some(),
        "auth.methods lets nobody in by password: give --phone, or this admin cannot log in"
    );
    let username = answer(given.username, asks, "Username: ", |text| read_username(&text))?;
    let email = given.email.or_else(|| (!asks).then(String::new));
    let email = answer(email, asks, "Email address: ", |text| read_email(text.trim()))?;
    let owner = Owner {
        username: username.as_str(),
        email: &email,
        phone: phone.as_ref(),
        ..Owner::default()
    };
    let password = if asks { ask_password(&owner)? } else { read_password(&owner)? };
    let groups = &config.auth.groups;
    let group = if groups.contains(&0) { 0 } else { groups.first().copied().unwrap_or(0) };
    let new = NewSuperuser {
        username: &username,
        email: &email,
        phone: phone.as_ref(),
        group,
        password: &password,
    };
    let (pool, passwords) =
        (db::connect(&config.database)?, Passwords::new(&config.auth.passwords));
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let id = superuser::create(&pool, &passwords, &new, SystemClock.now(), &mut rng).await?;
    Ok(format!("{} is admin now, account {id}.\n", username.as_str()))
}

/// What was given, or what somebody answers until it can be used.
fn answer<T>(
    given: Option<String>,
    asks: bool,
    question: &str,
    read: impl Fn(String) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if let Some(given) = given {
        return read(given);
    }
    ensure!(asks, "nobody can be asked here: give --username");
    loop {
        match read(ask(question)?) {
            Ok(value) => return Ok(value),
            Err(error) => say(&format!("Error: {error}\n"))?,
        }
    }
}

fn ask(question: &str) -> anyhow::Result<String> {
    say(question)?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line).context("no answer can be read")?;
    ensure!(read > 0, "cancelled");
    Ok(line.trim().to_owned())
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Twice, without showing it, until it is good.
fn ask_password(owner: &Owner<'_>) -> anyhow::Result<SecretString> {
    let hidden = |prompt| rpassword::prompt_password(prompt).map(SecretString::from);
    loop {
        let password = hidden("Password: ").context("no password can be read")?;
        let again = hidden("Password (again): ").context("no password can be read")?;
        if password.expose_secret() != again.expose_secret() {
            say("Error: Your passwords didn't match.\n")?;
            continue;
        }
        match good(&password, owner) {
            Ok(()) => return Ok(password),
            Err(error) => say(&format!("{error}\n"))?,
        }
    }
}

fn read_password(owner: &Owner<'_>) -> anyhow::Result<SecretString> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("no password can be read")?;
    let password = SecretString::from(line.trim_end_matches(['\r', '\n']));
    good(&password, owner)?;
    Ok(password)
}

/// By the rules for everybody; an admin's password is no exception.
fn good(password: &SecretString, owner: &Owner<'_>) -> anyhow::Result<()> {
    ensure!(!password.expose_secret().is_empty(), "Blank passwords aren't allowed.");
    let broken = rules::check(password, owner);
    let sentences: Vec<_> = broken.iter().map(|rule| &*rule.message).collect();
    ensure!(sentences.is_empty(), "{}", sentences.join("\n"));
    Ok(())
}

fn read_username(text: &str) -> anyhow::Result<Username> {
    match Username::parse(text) {
        Ok(username) => Ok(username),
        Err(UsernameError::TooLong) => bail!("a user name has at most 150 characters"),
        Err(UsernameError::Invalid) => bail!("a user name is of letters, digits and @ . + - _"),
        Err(UsernameError::Reserved) => bail!("this user name looks like one that Peyk gives"),
    }
}

fn read_email(text: &str) -> anyhow::Result<String> {
    let fine = text.is_empty() || (text.chars().count() <= email::LONGEST && email::is_email(text));
    ensure!(fine, "this is no e-mail address");
    Ok(text.to_owned())
}

fn read_phone(config: &Config, text: &str) -> anyhow::Result<PhoneNumber> {
    let rules = PhoneRules::new(&config.phone.countries, &config.phone.default_country)?;
    Ok(rules.parse(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_password_is_refused_with_every_reason() {
        let owner = Owner { username: "sara.ahmadi", ..Owner::default() };
        let refused = |password: &str| good(&password.into(), &owner).map_err(|e| e.to_string());
        assert_eq!(refused("correct Horse 7 باتری"), Ok(()));
        assert!(refused("").unwrap_err().contains("Blank"));
        assert!(refused("password").unwrap_err().contains("too common"));
        assert!(refused("sara.ahmadi1").unwrap_err().contains("too similar"));
        let both = refused("12345").unwrap_err();
        assert!(both.contains("too short") && both.contains("entirely numeric"), "{both}");
    }

    #[test]
    fn what_was_given_is_not_asked_for_and_what_was_not_is_an_error_without_anybody_to_ask() {
        let read = |text: String| Ok(text);
        assert_eq!(answer(Some("a".to_owned()), false, "?", read).unwrap(), "a");
        assert!(answer(None, false, "?", read).is_err());
        assert!(read_email("").is_ok() && read_email("a@b.example").is_ok());
        assert!(read_email("nobody").is_err() && read_username("G0-09123456789").is_err());
    }
}
