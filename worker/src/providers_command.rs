//! `worker providers`: what is known of each, from any machine.

use std::io::{self, Write};

use anyhow::bail;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Value, json};
use shared::sms::{
    MessageKind,
    learning::{self, Figures, Hour, percent},
    standing::{self, Standing},
};

use crate::Environment;

/// How long ago a worker may have found a provider failing for it to count as failing now: twice
/// the longest pause of a breaker, after which it is asked again.
const FAILING_FOR: TimeDelta = TimeDelta::seconds(32);
/// The columns of a provider's figures.
const HEADS: [&str; 12] = [
    "",
    "sends",
    "accepted",
    "refused",
    "put off",
    "unknown",
    "p50 ms",
    "p95 ms",
    "mean ms",
    "in 60 s",
    "delivered",
    "rials",
];

/// Shows what is known of every configured provider.
#[derive(Debug, Args)]
pub struct ProvidersCommand {
    /// For programs
    #[arg(long)]
    json: bool,
    /// Let the next text find out whether this provider takes our account again
    #[arg(long, value_name = "NAME")]
    probe: Option<String>,
}

/// Carries out the command; its answer goes to standard output.
///
/// # Errors
/// When the provider to probe is not out; when the database is away.
pub async fn execute(env: &Environment, command: ProvidersCommand) -> anyhow::Result<()> {
    if let Some(name) = &command.probe
        && !standing::end_pause(&env.pool, name).await?
    {
        bail!("no provider called {name:?} is out");
    }
    let views = views(env).await?;
    let answer = if command.json {
        let views: Vec<_> = views.iter().map(View::to_json).collect();
        format!("{:#}", json!({ "providers": views }))
    } else {
        views.iter().map(View::to_text).collect::<Vec<_>>().join("\n")
    };
    match writeln!(io::stdout().lock(), "{}", answer.trim_end()) {
        // A reader that has seen enough, such as `head`, is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// All there is to say of one provider.
struct View {
    name: String,
    kind: String,
    /// From 1, of so many.
    place: (usize, usize),
    weight: Option<u32>,
    standing: Option<Standing>,
    last_hour: Period,
    last_day: Period,
    now: DateTime<Utc>,
}

/// Figures of all kinds of texts together, of codes alone, and sends by kind.
#[derive(Default)]
struct Period {
    all: Figures,
    codes: Figures,
    kinds: Vec<(MessageKind, i64)>,
}

async fn views(env: &Environment) -> Result<Vec<View>, sqlx::Error> {
    let (now, sms) = (env.clock.now(), &env.config.sms);
    let standings = standing::all(&env.pool).await?;
    let period = (now - TimeDelta::hours(1), now + TimeDelta::hours(1));
    let hour = learning::count(&env.pool, period, sms.price_rials).await?;
    let day = (now - TimeDelta::days(1), now);
    let day = learning::since(&env.pool, day, sms.price_rials).await?;
    let names = env.provider_names();
    let view = |(at, name): (usize, &&str)| View {
        name: (*name).to_owned(),
        kind: sms.kind(name).to_owned(),
        place: (at + 1, names.len()),
        weight: (!sms.weights.is_empty()).then(|| sms.weights.get(*name).copied().unwrap_or(0)),
        standing: standings.iter().find(|standing| standing.provider == **name).cloned(),
        last_hour: Period::of(name, &hour),
        last_day: Period::of(name, &day),
        now,
    };
    Ok(names.iter().enumerate().map(view).collect())
}

impl Period {
    fn of(provider: &str, hours: &[Hour]) -> Self {
        let mut period = Self::default();
        for hour in hours.iter().filter(|hour| hour.provider == provider) {
            period.all.add(&hour.figures);
            if hour.kind == MessageKind::Otp {
                period.codes.add(&hour.figures);
            }
            match period.kinds.iter_mut().find(|(kind, _)| *kind == hour.kind) {
                Some((_, sends)) => *sends += hour.figures.sends,
                None => period.kinds.push((hour.kind, hour.figures.sends)),
            }
        }
        period
    }

    /// Of those that the provider told of.
    fn delivered(&self) -> Option<i64> {
        percent(self.all.delivered, self.all.delivered + self.all.undelivered)
    }

    fn verified(&self) -> Option<i64> {
        percent(self.codes.verified, self.codes.carried)
    }

    fn row(&self, head: &str) -> [String; 12] {
        let all = &self.all;
        let part = |number| shown(percent(number, all.sends), " %");
        let bound = |percent| match all.within_ms(percent) {
            Some(i64::MAX) => "more".to_owned(),
            bound => shown(bound, ""),
        };
        [
            head.to_owned(),
            all.sends.to_string(),
            part(all.accepted),
            part(all.refused),
            part(all.put_off),
            part(all.unknown),
            bound(50),
            bound(95),
            shown(all.mean_ms(), ""),
            shown(self.verified(), " %"),
            shown(self.delivered(), " %"),
            all.cost_rials.to_string(),
        ]
    }

    fn to_json(&self) -> Value {
        let all = &self.all;
        let bounded = |percent| all.within_ms(percent).filter(|bound| *bound < i64::MAX);
        let kinds = self.kinds.iter().map(|(kind, sends)| (kind.as_str().to_owned(), json!(sends)));
        json!({
            "sends": all.sends,
            "sends_by_kind": kinds.collect::<serde_json::Map<_, _>>(),
            "accepted": all.accepted,
            "refused": all.refused,
            "put_off": all.put_off,
            "unknown": all.unknown,
            "p50_ms_at_most": bounded(50),
            "p95_ms_at_most": bounded(95),
            "mean_ms": all.mean_ms(),
            "codes_carried": self.codes.carried,
            "codes_used_within_60_s": self.codes.verified,
            "delivered": all.delivered,
            "undelivered": all.undelivered,
            "cost_rials": all.cost_rials,
        })
    }
}

impl View {
    fn state(&self) -> &'static str {
        match &self.standing {
            Some(Standing { paused: Some(_), .. }) => "paused",
            Some(Standing { out: Some(_), .. }) => "out",
            Some(Standing { failing_at: Some(at), .. }) if self.now - *at < FAILING_FOR => {
                "failing"
            }
            _ => "ok",
        }
    }

    fn to_text(&self) -> String {
        let (place, of) = self.place;
        let weight = self.weight.map_or_else(String::new, |weight| format!(", weight {weight}"));
        let rows = [self.last_hour.row("last hour"), self.last_day.row("last day")];
        let kinds = |period: &Period| match &period.kinds[..] {
            [] => "none".to_owned(),
            kinds => {
                let of_kind =
                    |(kind, sends): &(MessageKind, i64)| format!("{} {sends}", kind.as_str());
                kinds.iter().map(of_kind).collect::<Vec<_>>().join(", ")
            }
        };
        let lines = [
            format!("{} (kind {}, {place} of {of}{weight})", self.name, self.kind),
            format!("  state: {}", self.state_in_words()),
            format!("  balance: {}", self.balance_in_words()),
            format!(
                "  kinds: last hour {}; last day {}",
                kinds(&self.last_hour),
                kinds(&self.last_day)
            ),
            line(&HEADS.map(str::to_owned)),
            line(&rows[0]),
            line(&rows[1]),
        ];
        lines.join("\n") + "\n"
    }

    fn state_in_words(&self) -> String {
        let Some(standing) = &self.standing else { return "ok".to_owned() };
        if let Some(pause) = &standing.paused {
            return format!("paused by staff since {}: {}", at(pause.at), pause.reason);
        }
        match (&standing.out, self.state()) {
            (Some(out), _) => {
                let code = out.code.as_deref().unwrap_or("no reason");
                let (since, until) = (at(out.since), at(out.until));
                format!("out since {since}, refuses our account ({code}); next try after {until}")
            }
            (None, "failing") => "failing: busy, silent or unreachable".to_owned(),
            (None, state) => state.to_owned(),
        }
    }

    fn balance_in_words(&self) -> String {
        let credit = self.standing.as_ref().and_then(|standing| standing.credit.as_ref());
        let Some(credit) = credit else { return "not known".to_owned() };
        let low = credit.low_since.map(|since| format!(", LOW since {}", at(since)));
        format!("{} at {}{}", credit.balance, at(credit.at), low.unwrap_or_default())
    }

    fn to_json(&self) -> Value {
        let standing = self.standing.as_ref();
        let out = standing.and_then(|standing| standing.out.as_ref());
        let credit = standing.and_then(|standing| standing.credit.as_ref());
        json!({
            "name": self.name,
            "kind": self.kind,
            "place": self.place.0,
            "weight": self.weight,
            "state": self.state(),
            "out": out.map(|out| {
                json!({ "since": out.since, "next_try_after": out.until, "code": out.code })
            }),
            "balance": credit.map(|credit| json!({
                "amount": credit.balance.amount(),
                "unit": credit.balance.unit(),
                "at": credit.at,
                "low_since": credit.low_since,
            })),
            "last_hour": self.last_hour.to_json(),
            "last_day": self.last_day.to_json(),
        })
    }
}

fn line(cells: &[String; 12]) -> String {
    let [head, figures @ ..] = cells;
    let figures = figures.iter().map(|cell| format!("{cell:>10}"));
    format!("  {head:<9}{}", figures.collect::<String>())
}

fn shown(number: Option<i64>, unit: &str) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number}{unit}"))
}

fn at(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use shared::sms::{
        providers::Balance,
        standing::{Credit, Outage},
    };

    use super::*;

    fn view(standing: Standing) -> View {
        let figures = Figures {
            sends: 4,
            accepted: 3,
            refused: 1,
            took_ms: 800,
            took: vec![0, 4, 4, 4, 4, 4, 4, 4],
            carried: 3,
            verified: 2,
            delivered: 2,
            undelivered: 1,
            cost_rials: 300,
            ..Figures::default()
        };
        let hour = |kind| Hour {
            hour: DateTime::UNIX_EPOCH,
            provider: "a".to_owned(),
            kind,
            figures: figures.clone(),
        };
        View {
            name: "a".to_owned(),
            kind: "kavenegar".to_owned(),
            place: (1, 2),
            weight: Some(70),
            standing: Some(standing),
            last_hour: Period::of("a", &[hour(MessageKind::Otp), hour(MessageKind::Text)]),
            last_day: Period::of("b", &[hour(MessageKind::Otp)]),
            now: DateTime::UNIX_EPOCH,
        }
    }

    fn standing() -> Standing {
        Standing {
            provider: "a".to_owned(),
            out: None,
            failing_at: None,
            credit: None,
            paused: None,
        }
    }

    #[test]
    fn the_figures_stand_under_their_heads() {
        let text = view(standing()).to_text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "a (kind kavenegar, 1 of 2, weight 70)");
        assert_eq!(lines[3], "  kinds: last hour otp 4, text 4; last day none");
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            words(lines[5]).join(" "),
            "last hour 8 75 % 25 % 0 % 0 % 250 250 200 67 % 67 % 600"
        );
        assert_eq!(words(lines[6]).join(" "), "last day 0 - - - - - - - - - 0");
        assert!(lines[4..].iter().all(|line| line.len() == lines[4].len()), "{text}");
    }

    #[test]
    fn a_state_says_why_and_until_when() {
        let time = DateTime::UNIX_EPOCH;
        assert_eq!(view(standing()).state_in_words(), "ok");
        let failing = |ago| Standing { failing_at: Some(time - ago), ..standing() };
        assert!(view(failing(TimeDelta::seconds(5))).state_in_words().starts_with("failing"));
        assert_eq!(view(failing(TimeDelta::minutes(1))).state_in_words(), "ok");
        let outage = Outage {
            since: time,
            until: time + TimeDelta::minutes(5),
            code: Some("kavenegar.418".to_owned()),
            is_due: false,
        };
        let view = view(Standing { out: Some(outage), ..failing(TimeDelta::zero()) });
        assert_eq!(
            view.state_in_words(),
            "out since 1970-01-01 00:00:00Z, refuses our account (kavenegar.418); \
             next try after 1970-01-01 00:05:00Z"
        );
        assert_eq!(view.to_json()["state"], "out");
    }

    #[test]
    fn a_low_balance_is_shouted() {
        let at = DateTime::UNIX_EPOCH;
        let credit = |low_since| Credit { balance: Balance::Texts(7), at, low_since };
        let of = |credit| view(Standing { credit, ..standing() }).balance_in_words();
        assert_eq!(of(None), "not known");
        assert_eq!(of(Some(credit(None))), "7 texts at 1970-01-01 00:00:00Z");
        assert!(of(Some(credit(Some(at)))).ends_with(", LOW since 1970-01-01 00:00:00Z"));
    }
}
