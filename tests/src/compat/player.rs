//! Plays a scenario from its first step to its last.

use serde_json::{Map, Value};

use super::{
    Judgement, Scenario, Step, Table, Variables, judge,
    sockets::Sockets,
    steps::{self, Stage},
};
use crate::{
    fake::{FakeKavenegar, RecordedZarinPal},
    harness::Peyk,
};

/// One playing of one scenario.
pub struct Player<'a> {
    stage: Stage<'a>,
    table: &'a Table,
    variables: Variables,
    sockets: Sockets,
}

impl<'a> Player<'a> {
    /// A player on this Peyk, whose texts go to this provider.
    pub fn new(peyk: &'a Peyk, provider: &'a FakeKavenegar, table: &'a Table) -> Self {
        let stage = Stage::new(peyk, provider);
        Self { stage, table, variables: Variables::default(), sockets: Sockets::default() }
    }

    /// A player whose payers pay at this gateway.
    #[must_use]
    pub fn with_gateway(mut self, gateway: &'a RecordedZarinPal) -> Self {
        self.stage.gateway = Some(gateway);
        self
    }

    /// A player that sends this header with every request: what the old system lets everybody do
    /// and Peyk does not.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.stage.header = Some((name, value));
        self
    }

    /// Plays all steps and gives what was wrong, with the steps' names.
    ///
    /// # Panics
    /// When a step cannot be done at all.
    pub async fn play(&mut self, scenario: &Scenario) -> Vec<String> {
        self.variables = Variables::begin(&scenario.vars);
        let mut wrong = Vec::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            if self.table.skipped(&scenario.scenario, index, step).is_some() {
                continue;
            }
            let outcome = self.act(&step.action).await;
            let entry = self.table.difference(&scenario.scenario, index, step);
            let judgement = judge(step, &outcome, &self.variables, entry, &self.table.everywhere);
            let mut complaints = match &judgement {
                Judgement::Wrong(complaints) => complaints.clone(),
                Judgement::Matches | Judgement::Differs => Vec::new(),
            };
            // What the recording takes from its answer need not be in ours.
            if !self.capture(step, &outcome) && judgement == Judgement::Matches {
                complaints.push("what the step captures is not in its answer".to_owned());
            }
            let name = format!("{} {index} ({})", scenario.scenario, step.id);
            wrong.extend(complaints.into_iter().map(|complaint| format!("{name}: {complaint}")));
        }
        wrong
    }

    async fn act(&mut self, action: &Map<String, Value>) -> Map<String, Value> {
        let (kind, what) = action
            .iter()
            .find(|(name, _)| KINDS.contains(&name.as_str()))
            .unwrap_or_else(|| panic!("a step that can be played: {action:?}"));
        if kind == "repeat" {
            return self.repeat(what).await;
        }
        if kind == "ws" {
            let step = self.variables.substitute(&Value::Object(action.clone()));
            return self.sockets.play(self.stage.peyk, &step).await;
        }
        let what = self.variables.substitute(what);
        match kind.as_str() {
            "http" => self.stage.http(&what).await,
            "sms" => self.stage.sms(&what, &mut self.variables).await,
            "fake" => self.stage.fake(&what),
            "jwt" => steps::jwt(what.as_str().expect("a token is a text")),
            "hook" => {
                let arguments = action.get("args").map(|it| self.variables.substitute(it));
                let arguments = arguments.as_ref().and_then(Value::as_array).cloned();
                let name = what.as_str().expect("a hook has a name");
                self.stage.hook(name, &arguments.unwrap_or_default()).await
            }
            "set" => {
                for (name, value) in what.as_object().expect("set takes names and values") {
                    self.variables.set(name, value.clone());
                }
                Map::new()
            }
            // A pause of the recording's: it let the old worker send. Here the step that reads the
            // text waits for it.
            _ => Map::new(),
        }
    }

    /// Plays one step several times; the outcome is the last one's.
    async fn repeat(&mut self, repeat: &Value) -> Map<String, Value> {
        let counter = repeat["var"].as_str().unwrap_or("i");
        let action = repeat["step"].as_object().expect("a step to repeat");
        let mut outcome = Map::new();
        for round in 0..repeat["times"].as_u64().expect("how often to repeat") {
            self.variables.set(counter, round.into());
            outcome = Box::pin(self.act(action)).await;
        }
        outcome
    }

    /// Takes the step's variables from its outcome; whether all were there.
    fn capture(&mut self, step: &Step, outcome: &Map<String, Value>) -> bool {
        let Some(json) = outcome.get("json") else { return step.capture.is_empty() };
        let mut complete = true;
        for (name, path) in &step.capture {
            match path.as_str().and_then(|path| steps::capture(json, path)) {
                Some(value) => self.variables.set(name, value),
                None => complete = false,
            }
        }
        complete
    }
}

/// Kinds of steps that can be played.
const KINDS: [&str; 9] = ["fake", "http", "sms", "hook", "jwt", "repeat", "set", "sleep", "ws"];
