//! What time does to sockets: tokens end, sessions are revoked, peers fall silent.

use std::{sync::Arc, time::Duration};

use rand::RngExt;
use shared::{auth::bearers::Bearers, clock::SharedClock};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{
    hub::Hub,
    out,
    slot::{Close, Slot},
};

/// Between two looks at who is out: with the half second that revocations may take to come here this
/// stays below one.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long the other side has to say that it closes, too.
const CLOSING_SECONDS: u32 = 3;
/// How long a peer has to answer a ping.
const PONG_SECONDS: u32 = 10;
/// The longest that a client is asked to wait before it comes back after a drain.
const RECONNECT_MS: u32 = 5_000;

/// Looks after all sockets for as long as the process lives.
pub(super) async fn sweep(hub: Arc<Hub>, bearers: Bearers, clock: SharedClock) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = 0;
    loop {
        looks.tick().await;
        let (now, wall) = (hub.seconds(), clock.now());
        let is_next_second = now != std::mem::replace(&mut last, now);
        for slot in hub.slots() {
            let profile = &slot.profile;
            if slot.is_over(wall) || bearers.revocations().contains(profile.session_id) {
                slot.close(Close::SignedOut);
            }
            if is_next_second {
                look_at(&hub, &slot, now);
            }
        }
    }
}

fn look_at(hub: &Hub, slot: &Slot, now: u32) {
    if let Some(seconds) = slot.closing_for(now) {
        if seconds >= CLOSING_SECONDS {
            slot.kill();
        }
        return;
    }
    let (silent, ping) = (slot.silent_for(now), hub.settings.ping_seconds);
    if silent >= ping + PONG_SECONDS {
        slot.kill();
    } else if silent >= ping && silent.is_multiple_of(5) {
        slot.ping();
    }
    // Not all of them in the same second.
    let turn = u64::from(now) % u64::from(ping) == slot.number % u64::from(ping);
    if turn && slot.profile.dialect.is_typed {
        hub.beat(slot, None);
    }
}

/// Closes all sockets, and none is opened any more: their clients are asked to come back a little
/// apart from each other.
pub(super) async fn drain(hub: &Hub, within: Duration) {
    for slot in hub.begin_drain() {
        let reconnect_after = rand::rng().random_range(0..=RECONNECT_MS);
        if slot.profile.dialect.is_typed {
            slot.push(out::text(&out::Drain { frame: "drain".to_owned(), reconnect_after }));
            slot.close(Close::Drain);
        } else {
            slot.close(Close::GoingAway);
        }
    }
    // Who does not answer is not waited for.
    sleep(within / 2).await;
    hub.slots().iter().for_each(|slot| slot.kill());
}
