//! What the sandbox bank shows, in Persian and English together.

use poem::{Response, http::Uri};
use shared::payments::gateways::sandbox::{BankPage, Imitation, PageState, WayBack};

use super::{
    digits,
    layout::{Head, Sheet, escape},
};

const HEAD: Head = Head {
    language: "lang=\"fa\" dir=\"rtl\"",
    title: "بانک آزمایشی پیک · Peyk sandbox bank",
    more: "",
};

/// Browsers apply `form-action` to where a posted form is redirected too: to the shop's callback, and
/// from there to the shop's front end, which nobody here knows.
const FORMS: &str = "form-action http: https:";

/// A page where nothing was done yet.
pub(super) fn open(page: &BankPage) -> Response {
    let mut sheet = begun(page);
    sheet.push("<section class=\"deeds\" aria-label=\"پرداخت · Payment\">");
    let plain =
        [("pay", "پرداخت", "Pay", None), ("cancel", "انصراف و بازگشت", "Cancel and go back", None)];
    for button in plain {
        sheet.push(&deed(button));
    }
    sheet.push("</section>\n<section class=\"card deeds\"><div>");
    sheet.push(&both("h2", "تمرین آنچه پیش می‌آید", "Rehearse what happens"));
    sheet.push("</div>");
    let rehearsed = [
        (
            "fail",
            "پرداخت ناموفق",
            "Refused by the bank",
            Some(("بانک نمی‌پذیرد؛ بازگشت به فروشگاه", "goes back unpaid")),
        ),
        (
            "close",
            "پرداخت و بستن برگه",
            "Pay and close the tab",
            Some(("هیچ بازگشتی نیست؛ فروشگاه باید از بانک بپرسد", "nobody comes back")),
        ),
        (
            "late",
            "پرداخت و بازگشت دیرهنگام",
            "Pay and come back late",
            Some(("پیوند بازگشت می‌ماند تا هر وقت خواستید", "the link waits for you")),
        ),
        (
            "double",
            "پرداخت و بازگشت دوباره",
            "Pay and come back twice",
            Some(("دو بازگشت هم‌زمان", "both at once")),
        ),
    ];
    for button in rehearsed {
        sheet.push(&deed(button));
    }
    sheet.push("</section>");
    end(sheet)
}

/// A page where nothing can be done any more, with the way back for whoever lost it.
pub(super) fn done(page: &BankPage) -> Response {
    let (persian, english) = match page.state {
        PageState::Paid => ("این پرداخت انجام شده است.", "This has been paid."),
        PageState::Cancelled => ("از این پرداخت انصراف داده‌اید.", "This was cancelled."),
        PageState::Failed => ("بانک این پرداخت را نپذیرفت.", "The bank refused this."),
        PageState::Open => ("مهلت این صفحه تمام شده است.", "The time of this page is over."),
    };
    let mut sheet = begun(page);
    sheet.push(&news(persian, english));
    sheet.push(&format!("<div class=\"deeds\">{}</div>", way_back(page, BACK)));
    end(sheet)
}

/// After paying and closing the tab: there is no way back.
pub(super) fn closed(page: &BankPage) -> Response {
    let mut sheet = begun(page);
    sheet.push(&news(
        "پرداخت شد. این برگه را ببندید: فروشگاه خبردار نشده است و باید خودش از بانک بپرسد.",
        "Paid. You can close this tab: the shop was told nothing, and has to ask.",
    ));
    end(sheet)
}

/// After paying: the way back waits.
pub(super) fn late(page: &BankPage) -> Response {
    let mut sheet = begun(page);
    sheet.push(&news(
        "پرداخت شد. هر وقت خواستید بازگردید؛ این صفحه هم می‌ماند.",
        "Paid. Go back whenever you like; this page stays.",
    ));
    sheet.push(&format!("<div class=\"deeds\">{}</div>", way_back(page, BACK)));
    if let WayBack::Get(url) = page.way_back() {
        sheet.push(&format!("<p><code lang=\"en\">{}</code></p>", escape(&url)));
    }
    end(sheet)
}

/// After paying: comes back twice at once, each in a frame that shows the answer.
pub(super) fn double(page: &BankPage) -> Response {
    let mut sheet = begun(page);
    sheet.push(&news(
        "پرداخت شد، و دو بازگشت هم‌زمان فرستاده شد. پاسخ هر دو:",
        "Paid, and two callbacks were sent at once. Both answers:",
    ));
    sheet.allow("frame-src http: https:");
    let way = page.way_back();
    for (name, title) in [("first", "۱ · First"), ("second", "۲ · Second")] {
        let source = match &way {
            WayBack::Get(url) => format!(" src=\"{}\"", escape(url)),
            WayBack::Post { .. } => String::new(),
        };
        sheet.push(&format!(
            "<p><iframe sandbox name=\"{name}\" title=\"{title}\"{source}></iframe></p>"
        ));
    }
    sheet.push("<div class=\"deeds\">");
    if let WayBack::Post { .. } = way {
        for (name, persian, english) in
            [("first", "بازگشت اول", "First callback"), ("second", "بازگشت دوم", "Second callback")]
        {
            let target = format!(" class=\"sent\" target=\"{name}\"");
            sheet.push(&way_back_in(page, &target, (persian, english)));
        }
        sheet.script("for (const form of document.querySelectorAll('form.sent')) form.submit();");
    }
    sheet.push(&way_back(page, ("ادامه در فروشگاه", "Go on to the shop")));
    sheet.push("</div>");
    end(sheet)
}

/// The way back of a gateway whose payers bring a form. It sends itself, and has a button for
/// browsers without scripts.
pub(super) fn posting(page: &BankPage) -> Response {
    let mut sheet = begun(page);
    sheet.push(&news("در حال بازگشت به فروشگاه…", "Going back to the shop…"));
    sheet.push(&format!("<div class=\"deeds\">{}</div>", way_back(page, BACK)));
    sheet.script("document.forms[0].submit();");
    end(sheet)
}

/// Nobody opened such a page.
pub(super) fn unknown() -> Response {
    let mut sheet = Sheet::new(&HEAD);
    sheet.push("<main class=\"bank\">");
    sheet.push(&both("h1", "چنین پرداختی نیست", "There is no such payment"));
    sheet.push(&both(
        "p",
        "نشانی را بررسی کنید، یا پرداخت تازه‌ای بسازید.",
        "Check the address, or make a new payment.",
    ));
    end(sheet)
}

const BACK: (&str, &str) = ("بازگشت به فروشگاه", "Back to the shop");

/// Who this is, and what is to be paid.
fn begun(page: &BankPage) -> Sheet {
    let mut sheet = Sheet::new(&HEAD);
    sheet.allow(FORMS);
    sheet.push("<main class=\"bank\"><header>");
    sheet.push(&both("h1", "بانک آزمایشی پیک", "Peyk sandbox bank"));
    let imitated = match page.imitates {
        Imitation::ZarinPal => ("زرین‌پال", "ZarinPal"),
        Imitation::PayPing => ("پی‌پینگ", "PayPing"),
        Imitation::Zibal => ("زیبال", "Zibal"),
    };
    sheet.push("</header>\n<div class=\"play\">");
    sheet.push(&both(
        "p",
        &format!("این بانک واقعی نیست و پولی جابه‌جا نمی‌شود. مانند {} رفتار می‌کند.", imitated.0),
        &format!("Not a real bank: no money moves. It behaves like {}.", imitated.1),
    ));
    sheet.push("</div>\n<div class=\"card\">");
    let (persian, english) = (digits::persian(page.amount()), digits::english(page.amount()));
    sheet.push(&format!(
        "<p class=\"amount\"><strong>{} ریال</strong><span>{} تومان</span>\
         <span class=\"soft\" lang=\"en\">{} rials · {} tomans</span></p>\n<dl>",
        persian.rials, persian.tomans, english.rials, english.tomans,
    ));
    let shop = page.callback_url.parse::<Uri>().ok();
    let shop = shop.as_ref().and_then(Uri::authority).map_or("", |authority| authority.as_str());
    let reference = page.ref_id.map(|reference| reference.to_string()).unwrap_or_default();
    for (persian, english, value, direction) in [
        ("بابت", "For", page.description.as_str(), "dir=\"auto\""),
        ("فروشگاه", "Shop", shop, "lang=\"en\""),
        ("شمارهٔ فروشگاه", "Its reference", &page.client_ref, "lang=\"en\""),
        ("شناسهٔ پرداخت", "Authority", &page.authority, "lang=\"en\""),
        ("شمارهٔ پیگیری", "Reference", &reference, "lang=\"en\""),
    ] {
        if !value.is_empty() {
            let value = escape(value);
            sheet.push(&format!(
                "<dt>{persian} <span lang=\"en\">{english}</span></dt><dd {direction}>{value}</dd>"
            ));
        }
    }
    sheet.push("</dl></div>");
    sheet
}

fn end(mut sheet: Sheet) -> Response {
    sheet.push("</main>");
    sheet.finish()
}

/// The same in both languages, in one element.
fn both(element: &str, persian: &str, english: &str) -> String {
    format!("<{element}>{persian} <span lang=\"en\">{english}</span></{element}>")
}

/// What has become of it.
fn news(persian: &str, english: &str) -> String {
    format!("<div role=\"status\" class=\"card\">{}</div>", both("p", persian, english))
}

/// A form with one button.
fn deed((action, persian, english, about): (&str, &str, &str, Option<(&str, &str)>)) -> String {
    let class = if action == "pay" { " class=\"go\"" } else { "" };
    let about = about.map_or(String::new(), |(persian, english)| {
        format!("<small>{persian} <span lang=\"en\">{english}</span></small>")
    });
    format!(
        "<form method=\"post\" action=\"?\"><button{class} name=\"action\" value=\"{action}\">\
         <span>{persian}</span><span lang=\"en\">{english}</span>{about}</button></form>"
    )
}

/// The way back to follow by hand.
fn way_back(page: &BankPage, label: (&str, &str)) -> String {
    way_back_in(page, "", label)
}

/// The same with more attributes of its form, if it is one.
fn way_back_in(page: &BankPage, attributes: &str, (persian, english): (&str, &str)) -> String {
    let label = format!("<span>{persian}</span><span lang=\"en\">{english}</span>");
    match page.way_back() {
        WayBack::Get(url) => {
            format!("<a class=\"button go\" href=\"{}\">{label}</a>", escape(&url))
        }
        WayBack::Post { url, fields } => {
            let hidden = |(name, value): &(&str, String)| {
                format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
            };
            let hidden: String = fields.iter().map(hidden).collect();
            let url = escape(&url);
            format!(
                "<form method=\"post\" action=\"{url}\"{attributes}>{hidden}\
                 <button class=\"go\">{label}</button></form>"
            )
        }
    }
}
