//! What stands in the holes of sentences, as people say it: words of the server, numbers, amounts.

use std::collections::HashMap;

use crate::language::Language;

/// Words that are the same in every sentence; whatever is not here, such as a provider's name or its
/// code, is said as it is.
const TERMS: [(&str, [&str; 2]); 50] = [
    ("login", ["login", "ورود"]),
    ("confirm", ["confirmation", "تأیید هویت"]),
    ("change_phone", ["change of number", "تغییر شماره"]),
    ("reset_password", ["new password", "گذرواژهٔ تازه"]),
    ("otp", ["code", "کد"]),
    ("text", ["single text", "پیامک تکی"]),
    ("bulk", ["bulk", "انبوه"]),
    ("password", ["password", "گذرواژه"]),
    ("import", ["imported", "انتقال از سامانهٔ پیشین"]),
    ("pc", ["computer", "رایانه"]),
    ("smartphone", ["phone", "گوشی هوشمند"]),
    ("mobilephone", ["simple phone", "گوشی ساده"]),
    ("appliance", ["appliance", "دستگاه خانگی"]),
    ("tablet", ["tablet", "تبلت"]),
    ("misc", ["another device", "دستگاهی دیگر"]),
    ("verify", ["verification", "تأیید"]),
    ("inquire", ["inquiry", "استعلام"]),
    ("reverse", ["reversal", "برگشت"]),
    ("refund", ["refund", "بازپرداخت"]),
    ("paid", ["paid", "پرداخت‌شده"]),
    ("not_paid", ["not paid", "پرداخت‌نشده"]),
    ("open", ["not paid yet", "هنوز پرداخت‌نشده"]),
    ("unknown", ["unknown", "نامعلوم"]),
    ("accepted", ["accepted", "پذیرفته"]),
    ("found", ["found", "پیدا شد"]),
    ("not_found", ["not found", "پیدا نشد"]),
    ("unsupported", ["cannot be asked", "پشتیبانی نمی‌شود"]),
    ("payment", ["payment", "پرداخت"]),
    ("reversal", ["reversal", "برگشت پرداخت"]),
    ("spend", ["spent", "خرید"]),
    ("hold", ["set aside", "کنار گذاشتن"]),
    ("capture", ["taken of what was set aside", "برداشت از کنارگذاشته"]),
    ("release", ["given back", "آزاد شدن"]),
    ("transfer", ["transfer", "انتقال"]),
    ("adjustment", ["adjustment", "اصلاح"]),
    ("country_hour", ["country, an hour", "کشور در ساعت"]),
    ("country_day", ["country, a day", "کشور در روز"]),
    ("prefix_hour", ["prefix, an hour", "پیش‌شماره در ساعت"]),
    ("prefix_day", ["prefix, a day", "پیش‌شماره در روز"]),
    ("ip_hour", ["address, an hour", "نشانی در ساعت"]),
    ("ip_day", ["address, a day", "نشانی در روز"]),
    ("ip_countries", ["countries of an address", "کشورهای یک نشانی"]),
    // What is kept no longer.
    ("requests", ["requests for codes", "درخواست‌های کد"]),
    ("messages", ["texts", "پیامک‌ها"]),
    ("login_events", ["tries to log in", "تلاش‌های ورود"]),
    ("guard", ["decisions of the guard", "تصمیم‌های محافظ"]),
    ("sessions", ["sessions that ended", "نشست‌های پایان‌یافته"]),
    ("webhooks", ["webhooks", "وب‌هوک‌ها"]),
    ("audit", ["the audit log", "دفتر رویدادها"]),
    ("expired", ["it expired", "منقضی شد"]),
];

/// What a sentence says of these. Pure.
pub(super) fn spoken(
    params: &HashMap<String, String>,
    language: Language,
) -> HashMap<String, String> {
    params.iter().map(|(name, value)| (name.clone(), say(name, value, language))).collect()
}

fn say(name: &str, value: &str, language: Language) -> String {
    if !value.is_empty() && value.trim_start_matches('-').bytes().all(|it| it.is_ascii_digit()) {
        // A reference is typed elsewhere as it stands here.
        let is_quantity = !matches!(name, "ref_id" | "order_id" | "code" | "session");
        let grouped = if name.ends_with("_rials") { grouped(value) } else { value.to_owned() };
        return if is_quantity { digits(&grouped, language) } else { grouped };
    }
    let separator = if language == Language::Persian { "، " } else { ", " };
    let words = value.split(", ").map(|word| {
        let term = TERMS.iter().find(|(known, _)| *known == word);
        term.map_or(word, |(_, said)| said[language as usize])
    });
    words.collect::<Vec<_>>().join(separator)
}

/// With a comma before every three digits from the right.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.split_at(number.len() - number.trim_start_matches('-').len());
    let mut grouped = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// In the digits of the language, with its separator.
fn digits(number: &str, language: Language) -> String {
    if language == Language::English {
        return number.to_owned();
    }
    let persian = |it: char| match it {
        '0'..='9' => char::from_u32(u32::from(it) - u32::from('0') + u32::from('۰')).unwrap_or(it),
        ',' => '٬',
        other => other,
    };
    number.chars().map(persian).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, value: &str) -> [String; 2] {
        [Language::English, Language::Persian].map(|language| say(name, value, language))
    }

    #[test]
    fn amounts_numbers_and_words_are_said_as_people_say_them() {
        assert_eq!(said("amount_rials", "1250000"), ["1,250,000", "۱٬۲۵۰٬۰۰۰"]);
        assert_eq!(said("balance_rials", "-500"), ["-500", "-۵۰۰"]);
        assert_eq!(said("took_ms", "1200"), ["1200", "۱۲۰۰"]);
        assert_eq!(said("purpose", "login"), ["login", "ورود"]);
        assert_eq!(said("rules", "ip_hour, ip_day")[1], "نشانی در ساعت، نشانی در روز");
    }

    #[test]
    fn what_is_typed_elsewhere_and_names_stay_as_they_are() {
        assert_eq!(said("ref_id", "1000000003"), ["1000000003", "1000000003"]);
        assert_eq!(said("order_id", "42"), ["42", "42"]);
        assert_eq!(said("code", "kavenegar.411"), ["kavenegar.411", "kavenegar.411"]);
        assert_eq!(said("provider", ""), ["", ""]);
        assert_eq!(said("session", "-"), ["-", "-"]);
    }

    #[test]
    fn no_word_stands_twice_and_each_is_said_in_both_languages() {
        let mut words: Vec<_> = TERMS.iter().map(|(word, _)| *word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), TERMS.len());
        for (word, [english, persian]) in TERMS {
            assert!(english.is_ascii() && !english.contains('_'), "{word}");
            assert!(persian.chars().any(|it| ('\u{600}'..='\u{6ff}').contains(&it)), "{word}");
        }
    }
}
