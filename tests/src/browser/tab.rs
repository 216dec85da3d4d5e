//! One page in a browser, as a person uses it.

use std::{path::Path, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::pipe::Pipe;
use crate::harness::wait_for;

/// One tab.
pub struct Tab {
    pipe: Arc<Pipe>,
    session: String,
}

impl Tab {
    pub(super) async fn open(pipe: Arc<Pipe>) -> Self {
        let call = async |method: &str, params| pipe.call(method, params, None).await;
        let made = call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let target = made.expect("the browser opens a tab")["targetId"].clone();
        let params = json!({ "targetId": target, "flatten": true });
        let attached = call("Target.attachToTarget", params).await.expect("it is there");
        let session = attached["sessionId"].as_str().expect("it has a session").to_owned();
        let tab = Self { pipe, session };
        for domain in ["Page.enable", "Log.enable", "Runtime.enable"] {
            tab.call(domain, json!({})).await;
        }
        tab
    }

    /// Looks as on a screen of this width, in the light or in the dark.
    pub async fn looks(&self, width: u32, height: u32, dark: bool) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// Goes to an address and waits until the page is there.
    pub async fn go(&self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.wait_until_loaded().await;
    }

    /// Loads the page again, without asking whether a form is to be sent again.
    pub async fn reload(&self) {
        // The old page must not be taken for the new one.
        self.value("window.before = true").await;
        self.call("Page.reload", json!({})).await;
        wait_for("the page anew", || self.value("!window.before || null")).await;
        self.wait_until_loaded().await;
    }

    /// Presses the mouse on what a CSS selector finds, so many times as fast as a hand can.
    ///
    /// # Panics
    /// When there is no such thing on the page.
    pub async fn click(&self, selector: &str, times: u32) {
        let find = format!(
            "(() => {{ const found = document.querySelector({selector:?});
               if (!found) return null;
               found.scrollIntoView({{ block: 'center', behavior: 'instant' }});
               const box = found.getBoundingClientRect();
               return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        let at = wait_for(selector, || self.value(&find)).await;
        for count in 1..=times {
            for kind in ["mousePressed", "mouseReleased"] {
                let event = json!({
                    "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": count,
                });
                self.call("Input.dispatchMouseEvent", event).await;
            }
        }
    }

    /// Waits until the address has this in it, and the page is there.
    pub async fn wait_for_address(&self, part: &str) -> String {
        let script = "location.href";
        let address = wait_for(&format!("an address with {part}"), || async {
            let address = self.value(script).await?.as_str()?.to_owned();
            address.contains(part).then_some(address)
        })
        .await;
        self.wait_until_loaded().await;
        address
    }

    /// Waits until the page says this, and gives all that can be read on it.
    pub async fn wait_for_text(&self, text: &str) -> String {
        wait_for(&format!("a page that says {text}"), || async {
            let shown = self.value("document.body?.innerText").await?.as_str()?.to_owned();
            shown.contains(text).then_some(shown)
        })
        .await
    }

    /// What an expression comes to; `None` if to nothing, or while the page is being changed.
    pub async fn value(&self, expression: &str) -> Option<Value> {
        let params = json!({ "expression": expression, "returnByValue": true });
        let answer = self.pipe.call("Runtime.evaluate", params, Some(&self.session)).await;
        let value = answer.ok()?["result"]["value"].take();
        (!value.is_null()).then_some(value)
    }

    /// What the browser complained about so far: refused scripts, styles, forms, and errors.
    pub fn complaints(&self) -> Vec<String> {
        let logged = self.pipe.events(&self.session, "Log.entryAdded").into_iter();
        let logged = logged.filter(|event| {
            let entry = &event["params"]["entry"];
            // Browsers ask for icons by themselves; nobody has to have one.
            let icon = entry["url"].as_str().is_some_and(|url| url.ends_with("/favicon.ico"));
            entry["level"] == "error" && !icon
        });
        let thrown = self.pipe.events(&self.session, "Runtime.exceptionThrown");
        logged.chain(thrown).map(|event| event["params"].to_string()).collect()
    }

    /// The same without what the API refused: browsers write that down as an error of the page.
    pub fn faults(&self) -> Vec<String> {
        let refused = |text: &String| {
            let event: Value = serde_json::from_str(text).unwrap_or_default();
            let entry = &event["entry"];
            let of_api = entry["url"].as_str().is_some_and(|url| url.contains("/api/"));
            let status = entry["text"].as_str().and_then(|text| text.split("status of ").nth(1));
            entry["source"] == "network" && of_api && status.is_some_and(|it| it.starts_with('4'))
        };
        self.complaints().into_iter().filter(|text| !refused(text)).collect()
    }

    /// Types into what a CSS selector finds, in place of what stands there.
    ///
    /// # Panics
    /// When there is no such thing on the page.
    pub async fn fill(&self, selector: &str, text: &str) {
        let focus = format!(
            "(() => {{ const found = document.querySelector({selector:?});
               if (!found) return null;
               found.focus();
               if (found.select) found.select();
               return true; }})()"
        );
        wait_for(selector, || self.value(&focus)).await;
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key that writes something, or `Enter`, on whatever has the focus.
    pub async fn press(&self, key: &str) {
        let text = if key == "Enter" { "\r" } else { key };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key });
            if kind == "keyDown" {
                event["text"] = text.into();
            }
            if key == "Enter" {
                event["windowsVirtualKeyCode"] = 13.into();
            }
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Waits until a CSS selector finds something.
    pub async fn wait_for(&self, selector: &str) {
        let found = format!("document.querySelector({selector:?}) ? true : null");
        wait_for(selector, || self.value(&found)).await;
    }

    /// Waits until a CSS selector finds nothing.
    pub async fn wait_until_gone(&self, selector: &str) {
        let gone = format!("document.querySelector({selector:?}) ? null : true");
        wait_for(&format!("no {selector}"), || self.value(&gone)).await;
    }

    /// Runs a script to its end, promises included.
    ///
    /// # Panics
    /// When it throws.
    pub async fn run(&self, script: &str) -> Value {
        let params = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", params).await;
        assert!(answer.get("exceptionDetails").is_none(), "{}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// A picture of the whole page as a PNG file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub async fn picture(&self, file: &Path) {
        let metrics = self.call("Page.getLayoutMetrics", json!({})).await;
        let mut clip = metrics["cssContentSize"].clone();
        clip["scale"] = 1.into();
        // What fits is taken as it is seen: beyond that browsers shift pages that run right to left.
        let fits = clip["height"].as_f64() <= metrics["cssLayoutViewport"]["clientHeight"].as_f64();
        let whole = json!({ "captureBeyondViewport": true, "clip": clip });
        let params = if fits { json!({}) } else { whole };
        let shot = self.call("Page.captureScreenshot", params).await;
        let png = BASE64_STANDARD.decode(shot["data"].as_str().unwrap_or_default());
        std::fs::write(file, png.expect("it is base64")).expect("the file can be written");
    }

    async fn wait_until_loaded(&self) {
        let loaded = "document.readyState === 'complete' || null";
        wait_for("a whole page", || self.value(loaded)).await;
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.pipe.call(method, params, Some(&self.session)).await;
        answer.unwrap_or_else(|error| panic!("{error}"))
    }
}
